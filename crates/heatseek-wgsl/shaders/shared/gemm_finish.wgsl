// The epilogue for one vector of four columns. `row_moments`: mean and rstd of the row of x.
{% set product = "product * of_columns(0u, column)" if weight_int8 else "product" %}
{% set colsum = "of_columns(1u, column)" if weight_int8 else "colsum[column]" %}
fn finish(row: u32, column: u32, product: vec4<f32>, row_moments: vec2<f32>) {
    if (n % 64u != 0u && column >= n / 4u) { return; }
{% if norm_in %}
    var v = row_moments.y * ({{ product }} - row_moments.x * {{ colsum }}) + bias[column];
{% else %}
    var v = {{ product }} + bias[column];
{% endif %}
{% if act %}
    v = activate(v);
{% endif %}
{% if add %}
    v += residual[row * (n / 4u) + column];
{% endif %}
{% if add_normalized %}
    let centred = residual[row * (n / 4u) + column] - residual_stats[row].x;
    v += centred * residual_stats[row].y * residual_affine[column];
    v += residual_affine[(n + 63u) / 64u * 16u + column];
{% endif %}
    y[row * (n / 4u) + column] = {{ "to_half(v)" if y_half else "v" }};
}
