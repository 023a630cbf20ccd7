//! Cooperative matrices of 16 by 16: f16 factors, f32 sums, on tensor cores through `mma.sync`.

use naga::{AddressSpace, CooperativeData, CooperativeRole, Expression, Handle};

use crate::TranslateError;
use crate::function::FunctionWriter;

impl FunctionWriter<'_> {
    pub(crate) fn matrix_load(
        &self,
        role: CooperativeRole,
        data: &CooperativeData,
    ) -> Result<String, TranslateError> {
        let role = match role {
            CooperativeRole::A => "a",
            CooperativeRole::B => "b",
            CooperativeRole::C => "c",
        };
        // Shared memory has an instruction of its own for fragments.
        let shared = self.inner(data.pointer).pointer_space() == Some(AddressSpace::WorkGroup);
        let from = if shared && role != "c" { "_shared" } else { "" };
        let order = order(data);
        Ok(format!(
            "load_{role}{from}<{order}>(&{}, {})",
            self.value(data.pointer)?,
            self.value(data.stride)?
        ))
    }

    pub(crate) fn matrix_store(
        &mut self,
        target: Handle<Expression>,
        data: &CooperativeData,
    ) -> Result<(), TranslateError> {
        let (value, place) = (self.value(target)?, self.value(data.pointer)?);
        let stride = self.value(data.stride)?;
        self.out.line(&format!("store_c<{}>({value}, &{place}, {stride});", order(data)));
        Ok(())
    }
}

fn order(data: &CooperativeData) -> &'static str {
    if data.row_major { "RowMajor" } else { "ColumnMajor" }
}
