//! From what a caller sent to what a function takes, and back.

use std::sync::Arc;

use wasmtime::component::Type;

use super::failure::CallFailure;
use super::{Arguments, CallAnswer, MAX_CALL_BYTES, Parcel};
use crate::component::ComponentVersion;
use crate::exports::{Exports, NameError, Target};
use crate::golem::{WitValue, from_tree, results_tree};
use crate::value::{NoHandles, Value, ValueError, encode_result, to_val};
use crate::worker::{InvocationResult, Versions, WorkerId};

/// A call of a version that has the function and takes the arguments.
pub(super) struct Fitting {
    pub(super) version: Arc<ComponentVersion>,
    pub(super) target: Target,
    pub(super) args: Vec<Value>,
}

impl Parcel {
    /// The first of the versions that the call fits. The failure is that of the version that runs.
    pub(super) fn fit(
        &self,
        worker: &WorkerId,
        versions: Versions,
    ) -> Result<Fitting, CallFailure> {
        let Versions { current, coming } = versions;
        let mut refused = None;
        for version in std::iter::once(current).chain(coming) {
            match self.fit_one(worker, version) {
                Ok(fitting) => return Ok(fitting),
                Err(failure) => drop(refused.get_or_insert(failure)),
            }
        }
        Err(refused.unwrap_or_else(|| CallFailure::NotFound("there is no version".to_owned())))
    }

    fn fit_one(
        &self,
        worker: &WorkerId,
        version: Arc<ComponentVersion>,
    ) -> Result<Fitting, CallFailure> {
        let exports = version.exports();
        let called = &self.request.function;
        let target = resolve(&version.name, exports, called).map_err(|error| {
            let told = format!("component {}: {error}", version.name);
            match error {
                NameError::Unknown { .. } => CallFailure::NotFound(told),
                _ => CallFailure::Mismatch(told),
            }
        })?;
        if let Target::Http(_) = target {
            let told = "this function answers HTTP requests only".to_owned();
            return Err(CallFailure::Mismatch(told));
        }
        let args = self.args(worker, exports.parameters_of(&target)).map_err(|misfit| {
            let function = exports.name_of(&target);
            CallFailure::Mismatch(format!("{function} of component {}: {misfit}", version.name))
        })?;
        Ok(Fitting { target, args, version })
    }

    /// The arguments as values of the parameters' types, or what does not fit.
    fn args(&self, worker: &WorkerId, parameters: &[(String, Type)]) -> Result<Vec<Value>, String> {
        let (given, expected) = (self.request.arguments.len(), parameters.len());
        if given != expected {
            return Err(format!("{expected} arguments are expected, {given} were given"));
        }
        let named =
            |index: usize, error: ValueError| format!("parameter {}: {error}", parameters[index].0);
        match &self.request.arguments {
            Arguments::Values(values) => {
                for (index, (value, (_, ty))) in values.iter().zip(parameters).enumerate() {
                    to_val(value, ty, &mut NoHandles).map_err(|error| named(index, error))?;
                }
                Ok(values.clone())
            }
            Arguments::Trees(trees) => {
                let pairs = trees.iter().zip(parameters).enumerate();
                let arg = |(index, (tree, (_, ty))): (usize, (&WitValue, &(String, Type)))| {
                    from_tree(tree, ty, worker).map_err(|error| named(index, error))
                };
                pairs.map(arg).collect()
            }
        }
    }

    /// The result as the caller wants it.
    pub(super) fn answer(
        &self,
        worker: &WorkerId,
        result: InvocationResult,
    ) -> Result<CallAnswer, CallFailure> {
        let bytes = encode_result(result.value.as_ref()).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > MAX_CALL_BYTES {
            return Err(CallFailure::Failed(format!(
                "the result has {bytes} bytes; a call between workers may return {MAX_CALL_BYTES}"
            )));
        }
        Ok(match self.request.arguments {
            Arguments::Values(_) => CallAnswer::Value(result.value),
            Arguments::Trees(_) => {
                let tree = results_tree(result.value.as_ref(), result.ty.as_ref(), worker);
                CallAnswer::Tree(tree.map_err(|error| CallFailure::Failed(error.to_string()))?)
            }
        })
    }
}

/// What a caller's name of a function stands for. Clients call functions of the world itself as those of an interface
/// with the component's name.
pub(super) fn resolve(
    component: &str,
    exports: &Exports,
    function: &str,
) -> Result<Target, NameError> {
    let resolved = exports.resolve(function);
    let Err(NameError::Unknown { .. }) = resolved else { return resolved };
    let within = function.strip_prefix(component).and_then(|rest| rest.strip_prefix(".{"));
    match within.and_then(|rest| rest.strip_suffix('}')).map(|bare| exports.resolve(bare)) {
        Some(Ok(target)) => Ok(target),
        _ => resolved,
    }
}

impl Arguments {
    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Trees(trees) => trees.len(),
        }
    }
}
