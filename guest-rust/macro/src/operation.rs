//! From a function to a method of transactions.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, ExprPath, FnArg, ItemFn, Result, ReturnType, Signature, Token, Type};

/// As many as `everlog` has compensations for.
const INPUTS_MAX: usize = 12;

/// Expands the attribute. The function itself stays whatever is wrong, so that the errors are not
/// joined by those of its callers.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let message = "`golem_operation` stands before a function with a body";
            let error = Error::new_spanned(item, message).into_compile_error();
            return quote! { #error #item };
        }
    };
    let method = method_of(attribute, &function).unwrap_or_else(Error::into_compile_error);
    quote! { #function #method }
}

fn method_of(attribute: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    // Both are told at once.
    let compensation = compensation(attribute);
    let inputs = check(signature);
    match (compensation, inputs) {
        (Ok(compensation), Ok(inputs)) => Ok(generate(function, &compensation, &inputs)),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            Err(error)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Parses `compensation = path`.
fn compensation(attribute: TokenStream) -> Result<ExprPath> {
    const USAGE: &str = "say how it is undone: `#[golem_operation(compensation = function)]`; \
                         what needs no undoing is called as a plain function";
    if attribute.is_empty() {
        return Err(Error::new(Span::call_site(), USAGE));
    }
    let parser = |input: syn::parse::ParseStream<'_>| {
        let name: Ident = input.parse()?;
        if name != "compensation" {
            return Err(Error::new(name.span(), format!("unknown parameter `{name}`; {USAGE}")));
        }
        input.parse::<Token![=]>()?;
        let value: syn::Expr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error("`compensation` is the only parameter"));
        }
        match value {
            syn::Expr::Path(path) => Ok(path),
            other => Err(Error::new_spanned(other, "the compensation is the name of a function")),
        }
    };
    syn::parse::Parser::parse2(parser, attribute)
}

/// Returns the types of the inputs of a function that can be an operation.
fn check(signature: &Signature) -> Result<Vec<&Type>> {
    if !signature.generics.params.is_empty() {
        let message = "an operation has no type parameters or lifetimes: which of its \
                       instances would the transaction's method call?";
        return Err(Error::new_spanned(&signature.generics, message));
    }
    if let Some(unsafety) = &signature.unsafety {
        return Err(Error::new_spanned(unsafety, "an operation is a safe function"));
    }
    if let ReturnType::Default = signature.output {
        let message = "an operation returns a `Result`, from which the transaction sees whether \
                       it succeeded";
        return Err(Error::new_spanned(&signature.ident, message));
    }
    if signature.inputs.len() > INPUTS_MAX {
        let message = format!("an operation has at most {INPUTS_MAX} inputs; use a struct");
        return Err(Error::new_spanned(&signature.inputs, message));
    }
    signature.inputs.iter().map(check_input).collect()
}

fn check_input(input: &FnArg) -> Result<&Type> {
    match input {
        FnArg::Receiver(receiver) => {
            let message = "an operation is a free function, without `self`; for a type that is \
                           an operation implement the trait `Operation`";
            Err(Error::new_spanned(receiver, message))
        }
        FnArg::Typed(typed) => match &*typed.ty {
            Type::Reference(reference) if !is_static(reference) => {
                let message = "an operation owns its inputs, since its compensation may need \
                               them later: `String` instead of `&str`, `Vec<T>` instead of `&[T]`";
                Err(Error::new_spanned(reference, message))
            }
            Type::ImplTrait(generic) => {
                Err(Error::new_spanned(generic, "an input of an operation has one certain type"))
            }
            other => Ok(other),
        },
    }
}

fn is_static(reference: &syn::TypeReference) -> bool {
    let is_static = |lifetime: &syn::Lifetime| lifetime.ident == "static";
    reference.mutability.is_none() && reference.lifetime.as_ref().is_some_and(is_static)
}

/// Generates a trait that every transaction with the operation's error implements.
fn generate(function: &ItemFn, compensation: &ExprPath, inputs: &[&Type]) -> TokenStream {
    let Signature { ident, asyncness, output, .. } = &function.sig;
    let visibility = &function.vis;
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    let trait_name = format_ident!("{}Operation", pascal_case(name), span = ident.span());
    let documentation = format!("The operation [`{name}`] as a method of transactions.");
    let values: Vec<Ident> = (0..inputs.len()).map(|n| format_ident!("input_{n}")).collect();

    let result = match output {
        ReturnType::Type(_, result) => quote! { #result },
        ReturnType::Default => quote! { () },
    };
    // At the return type, so that the compiler points there if it is no `Result`.
    let result_span = result.span();
    let ok = quote_spanned! { result_span => <#result as ::everlog::__private::IsResult>::Ok };
    let err = quote_spanned! { result_span => <#result as ::everlog::__private::IsResult>::Err };
    let (transaction, constructor, kind, execute) = if asyncness.is_some() {
        ("AsyncTransaction", "named_operation_async", "AsyncCompensation", "execute_async")
    } else {
        ("Transaction", "named_operation", "Compensation", "execute")
    };
    let [transaction, constructor, kind, execute] =
        [transaction, constructor, kind, execute].map(|name| format_ident!("{name}"));
    let wait = asyncness.map(|_| quote! { .await });
    // At the compensation's name, so that the compiler points there if it does not fit.
    let compensate = quote_spanned! { compensation.span() =>
        ::everlog::__private::#kind::<_, (#(#inputs,)*), #ok, #err>::compensate(
            &#compensation, inputs, result,
        ) #wait
    };

    quote! {
        #[doc = #documentation]
        #[allow(async_fn_in_trait)]
        #visibility trait #trait_name: ::everlog::#transaction<#err> {
            #[doc = "Executes the operation in this transaction."]
            #[allow(clippy::too_many_arguments)]
            #asyncness fn #ident(&mut self, #(#values: #inputs),*) -> ::core::result::Result<
                #ok,
                <Self as ::everlog::Transaction<#err>>::Failure,
            > {
                ::everlog::#transaction::#execute(
                    self,
                    ::everlog::__private::#constructor(
                        #name,
                        #asyncness |(#(#values,)*): (#(#inputs,)*)| #ident(#(#values),*) #wait,
                        #asyncness |inputs, result| #compensate,
                    ),
                    (#(#values,)*),
                ) #wait
            }
        }

        impl<T> #trait_name for T
        where
            T: ::everlog::#transaction<#err> + ?Sized,
        {
        }
    }
}

fn pascal_case(name: &str) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    };
    name.split('_').map(capitalised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_are_named_as_types_are() {
        assert_eq!(pascal_case("transaction_step"), "TransactionStep");
        assert_eq!(pascal_case("_reserve2_it"), "Reserve2It");
    }
}
