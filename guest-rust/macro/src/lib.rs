//! The attribute of the crate `everlog`.

mod operation;

use proc_macro::TokenStream;

/// See `everlog::golem_operation`, where it is documented.
#[proc_macro_attribute]
pub fn golem_operation(attribute: TokenStream, item: TokenStream) -> TokenStream {
    operation::expand(attribute.into(), &item.into()).into()
}
