//! What the functions of a client do.

use everlog_oplog::Timestamp;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{Resource, ResourceAny, Val};
use wasmtime::{AsContextMut, StoreContextMut, bail, format_err};

use super::names::{Called, Manner, Role};
use super::sent::SentCall;
use crate::calls::{
    Address, Arguments, CallAnswer, CallFailure, CallFuture, CallOutcome, CallRequest, Start,
};
use crate::value::{NoHandles, Value, from_val, to_val};
use crate::wasi::{Recipe, WorkerState};

const CALL: &str = "everlog:api/calls.call";
const SEND: &str = "everlog:api/calls.send";
const BEGIN: &str = "everlog:api/calls.begin";

/// The functions under which calls are recorded.
pub(crate) const FUNCTIONS: [&str; 3] = [CALL, SEND, BEGIN];

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A worker, or the fresh worker of each call, as a client knows it.
pub(super) struct Client {
    address: Address,
}

type Store<'a> = StoreContextMut<'a, WorkerState>;

/// Runs a function of a client; the first argument of a method is its resource.
pub(super) async fn run(
    mut store: Store<'_>,
    component: &str,
    role: Role,
    ty: &ComponentFunc,
    args: &[Val],
) -> wasmtime::Result<Val> {
    let component = component.to_owned();
    match role {
        Role::Construct => {
            let [Val::String(worker)] = args else { bail!("a client is made of a worker's name") };
            let address = Address::Worker { component, worker: worker.clone() };
            new_client(store, address)
        }
        Role::Fresh => new_client(store, Address::Fresh { component }),
        Role::Subscribe => {
            let future = own_resource::<CallFuture>(&mut store, args)?;
            let pollable = store.data_mut().subscribe_to_call(&future)?;
            Ok(Val::Resource(ResourceAny::try_from_resource(pollable, store)?))
        }
        Role::Get => {
            let future = own_resource::<CallFuture>(&mut store, args)?;
            let taken = store.data_mut().table.get_mut(&future)?.take()?;
            let Some(Type::Option(option)) = ty.results().next() else {
                bail!("the result of a call is optional");
            };
            let taken = taken.map(|outcome| result_val(outcome, &option.ty())).transpose()?;
            Ok(Val::Option(taken.map(Box::new)))
        }
        Role::Call(called, manner) => call(store, called, manner, ty, args).await,
    }
}

async fn call(
    mut store: Store<'_>,
    called: Called,
    manner: Manner,
    ty: &ComponentFunc,
    args: &[Val],
) -> wasmtime::Result<Val> {
    let client = own_resource::<Client>(&mut store, args)?;
    let address = store.data().table.get(&client)?.address.clone();
    let mut given: Vec<(&Val, Type)> =
        args.iter().zip(ty.params().map(|(_, ty)| ty)).skip(1).collect();
    let start = match manner {
        Manner::Wait | Manner::Begin => None,
        Manner::Send => Some(Start::Now),
        Manner::Schedule if given.is_empty() => bail!("when is the call to be made?"),
        Manner::Schedule => Some(start_of(given.remove(0).0)?),
    };
    let values = given.into_iter().map(|(val, ty)| from_val(val.clone(), &ty, &mut NoHandles));
    let values: Vec<Value> = values.collect::<Result<_, _>>()?;
    let request = CallRequest {
        address,
        function: called.path(),
        start,
        arguments: Arguments::Values(values),
    };
    let Some(result) = ty.results().next() else { bail!("a call has a result") };
    match manner {
        Manner::Wait => result_val(store.data_mut().call(CALL, request).await?, &result),
        Manner::Begin => {
            let future = store.data_mut().begin_call(BEGIN, request)?;
            let future = store.data_mut().push_call(future)?;
            Ok(Val::Resource(ResourceAny::try_from_resource(future, store)?))
        }
        Manner::Send | Manner::Schedule => {
            let component = request.address.component().to_owned();
            match store.data_mut().call(SEND, request).await? {
                Ok(CallAnswer::Accepted { key, worker }) => {
                    let sent = SentCall::new(component, worker, key);
                    let sent = store.data_mut().push_sent(sent)?;
                    let sent = ResourceAny::try_from_resource(sent, store)?;
                    Ok(Val::Result(Ok(Some(Box::new(Val::Resource(sent))))))
                }
                Ok(_) => bail!("the log holds a result for a call that nobody waited for"),
                Err(failure) => Ok(failure_val(failure)),
            }
        }
    }
}

fn new_client(mut store: Store<'_>, address: Address) -> wasmtime::Result<Val> {
    let recipe = Recipe::Peer { location: address.to_string() };
    let client = store.data_mut().push(Client { address }, recipe)?;
    Ok(Val::Resource(ResourceAny::try_from_resource(client, store)?))
}

impl WorkerState {
    pub(super) fn drop_client(&mut self, number: u32) -> wasmtime::Result<()> {
        self.delete(Resource::<Client>::new_own(number))?;
        Ok(())
    }

    pub(super) fn drop_call(&mut self, number: u32) -> wasmtime::Result<()> {
        self.delete(Resource::<CallFuture>::new_own(number))?.forget()
    }
}

/// The resource that a method is called on.
fn own_resource<T: 'static>(store: &mut Store<'_>, args: &[Val]) -> wasmtime::Result<Resource<T>> {
    match args.first() {
        Some(Val::Resource(resource)) => resource.try_into_resource(store.as_context_mut()),
        _ => Err(format_err!("a method is called on its resource")),
    }
}

/// An outcome as the client's function returns it: `ty` is a result whose error is a call-error.
fn result_val(outcome: CallOutcome, ty: &Type) -> wasmtime::Result<Val> {
    let Type::Result(result) = ty else { bail!("a call returns a result") };
    let value = match outcome {
        Ok(CallAnswer::Value(value)) => value,
        Ok(CallAnswer::Accepted { .. } | CallAnswer::Tree(_)) => {
            bail!("the log holds something else than the result of this call")
        }
        Err(failure) => return Ok(failure_val(failure)),
    };
    let lowered = match (value, result.ok()) {
        (Some(value), Some(ty)) => to_val(&value, &ty, &mut NoHandles).map(Box::new).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => {
            let expected = if result.ok().is_some() { "a result" } else { "no result" };
            return Ok(failure_val(CallFailure::Mismatch(format!(
                "the function has run, but {expected} is expected of it; make the client anew"
            ))));
        }
    };
    Ok(match lowered {
        Ok(val) => Val::Result(Ok(val)),
        Err(error) => failure_val(CallFailure::Mismatch(format!(
            "the function has run, but what it returned is not what is expected: {error}; make \
             the client anew"
        ))),
    })
}

fn failure_val(failure: CallFailure) -> Val {
    let (case, detail) = match failure {
        CallFailure::NotFound(detail) => ("not-found", detail),
        CallFailure::Mismatch(detail) => ("mismatch", detail),
        CallFailure::Denied(detail) => ("denied", detail),
        CallFailure::Failed(detail) => ("failed", detail),
        CallFailure::Cancelled(detail) => ("cancelled", detail),
    };
    let error = Val::Variant(case.to_owned(), Some(Box::new(Val::String(detail))));
    Val::Result(Err(Some(Box::new(error))))
}

/// A `start` of `everlog:api/calls`.
fn start_of(val: &Val) -> wasmtime::Result<Start> {
    let Val::Variant(case, Some(payload)) = val else { bail!("a start is after or at") };
    match (case.as_str(), &**payload) {
        ("after", Val::U64(nanos)) => Ok(Start::After(*nanos)),
        ("at", Val::Record(fields)) => match fields.as_slice() {
            [(_, Val::U64(seconds)), (_, Val::U32(nanos))] => {
                let nanos = u64::from(*nanos);
                let due = seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos);
                Ok(Start::At(Timestamp(due)))
            }
            _ => bail!("a time has seconds and nanoseconds"),
        },
        _ => bail!("a start is after or at"),
    }
}
