{# The words in which naga and Chrome's Tint differ on matrix units. #}
{% macro load(tint, role, array, at, stride) %}
{% if tint %}subgroupMatrixLoad<subgroup_matrix_{{ "left" if role == "A" else "right" }}<f16, 16, 16>, row_major>(&{{ array }}, {{ at }}, {{ stride }})
{%- else %}coopLoadT<coop_mat16x16<f16, {{ role }}>>(&{{ array }}[{{ at }}], {{ stride }})
{%- endif %}{% endmacro %}
{% macro store(tint, matrix, array, at, stride) %}
{% if tint %}subgroupMatrixStore<row_major>(&{{ array }}, {{ at }}, {{ matrix }}, {{ stride }})
{%- else %}coopStoreT({{ matrix }}, &{{ array }}[{{ at }}], {{ stride }})
{%- endif %}{% endmacro %}
{% macro enable(tint) %}{{ "chromium_experimental_subgroup_matrix" if tint else "wgpu_cooperative_matrix" }}{% endmacro %}
{% macro zero(tint) %}{{ "subgroup_matrix_result<f32, 16, 16>()" if tint else "coop_mat16x16<f32, C>()" }}{% endmacro %}
{% macro multiply_add(tint) %}{{ "subgroupMatrixMultiplyAccumulate" if tint else "coopMultiplyAdd" }}{% endmacro %}
