//! What a transaction is made of.

use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

/// Something that can be done, and undone afterwards.
///
/// There are three ways to make one: this trait, the function [`operation`], and the attribute
/// [`golem_operation`](crate::golem_operation).
pub trait Operation: Clone {
    /// What it takes.
    type In: Clone + 'static;
    /// What it returns.
    type Out: Clone + 'static;
    /// How it fails, and how undoing it fails.
    type Err: Clone + 'static;

    /// Does it.
    ///
    /// # Errors
    /// If it was not done; then there is nothing to undo.
    fn execute(&self, input: Self::In) -> Result<Self::Out, Self::Err>;

    /// Undoes what [`Self::execute`] did with this input and result.
    ///
    /// # Errors
    /// If it is still done.
    fn compensate(&self, input: Self::In, result: Self::Out) -> Result<(), Self::Err>;

    /// What errors call it.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }
}

/// As [`Operation`], for what is done asynchronously.
pub trait AsyncOperation: Clone {
    /// What it takes.
    type In: Clone + 'static;
    /// What it returns.
    type Out: Clone + 'static;
    /// How it fails, and how undoing it fails.
    type Err: Clone + 'static;

    /// Does it. An error means that it was not done.
    fn execute(&self, input: Self::In) -> impl Future<Output = Result<Self::Out, Self::Err>>;

    /// Undoes what [`Self::execute`] did with this input and result. An error means that it is
    /// still done.
    fn compensate(
        &self,
        input: Self::In,
        result: Self::Out,
    ) -> impl Future<Output = Result<(), Self::Err>>;

    /// What errors call it.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }
}

/// Makes an operation of two closures: one does it, one undoes it from the input and the result.
///
/// ```
/// use everlog::{fallible_transaction, operation};
///
/// # fn reserve(item: &str) -> Result<u32, String> { Ok(item.len() as u32) }
/// # fn release(_: u32) -> Result<(), String> { Ok(()) }
/// let reserving = operation(
///     |item: String| reserve(&item),
///     |_item, reservation| release(reservation),
/// );
/// let reservation = fallible_transaction(|tx| tx.execute(reserving, "tea".to_owned()));
/// # assert_eq!(reservation, Ok(3));
/// ```
#[track_caller]
pub fn operation<In, Out, Err>(
    execute_fn: impl Fn(In) -> Result<Out, Err> + 'static,
    compensate_fn: impl Fn(In, Out) -> Result<(), Err> + 'static,
) -> impl Operation<In = In, Out = Out, Err = Err>
where
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    named_operation(name_of_caller(), execute_fn, compensate_fn)
}

/// As [`operation`], for closures that return futures.
///
/// ```
/// use everlog::{AsyncTransaction as _, fallible_transaction_async, operation_async};
///
/// # async fn reserve(item: String) -> Result<u32, String> { Ok(item.len() as u32) }
/// # async fn release(_: u32) -> Result<(), String> { Ok(()) }
/// # everlog::block_on(async {
/// let reserving = operation_async(reserve, async |_item, reservation| release(reservation).await);
/// let reservation = fallible_transaction_async(async |tx| {
///     tx.execute_async(reserving, "tea".to_owned()).await
/// });
/// # assert_eq!(reservation.await, Ok(3));
/// # });
/// ```
#[track_caller]
pub fn operation_async<In, Out, Err>(
    execute_fn: impl AsyncFn(In) -> Result<Out, Err> + 'static,
    compensate_fn: impl AsyncFn(In, Out) -> Result<(), Err> + 'static,
) -> impl AsyncOperation<In = In, Out = Out, Err = Err>
where
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    named_operation_async(name_of_caller(), execute_fn, compensate_fn)
}

#[track_caller]
fn name_of_caller() -> String {
    let caller = Location::caller();
    format!("operation at {}:{}", caller.file(), caller.line())
}

/// The last segment of a type's path, without what is generic about it.
fn short_type_name<T: ?Sized>() -> String {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

/// An operation made of two functions, synchronous or not.
struct FnOperation<E, C, Types> {
    name: Rc<str>,
    execute: Rc<E>,
    compensate: Rc<C>,
    types: PhantomData<fn() -> Types>,
}

impl<E, C, Types> FnOperation<E, C, Types> {
    fn new(name: impl Into<Rc<str>>, execute: E, compensate: C) -> Self {
        let (execute, compensate) = (Rc::new(execute), Rc::new(compensate));
        Self { name: name.into(), execute, compensate, types: PhantomData }
    }
}

impl<E, C, Types> Clone for FnOperation<E, C, Types> {
    fn clone(&self) -> Self {
        Self {
            name: Rc::clone(&self.name),
            execute: Rc::clone(&self.execute),
            compensate: Rc::clone(&self.compensate),
            types: PhantomData,
        }
    }
}

impl<E, C, In, Out, Err> Operation for FnOperation<E, C, (In, Out, Err)>
where
    E: Fn(In) -> Result<Out, Err>,
    C: Fn(In, Out) -> Result<(), Err>,
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    type In = In;
    type Out = Out;
    type Err = Err;

    fn execute(&self, input: In) -> Result<Out, Err> {
        (self.execute)(input)
    }

    fn compensate(&self, input: In, result: Out) -> Result<(), Err> {
        (self.compensate)(input, result)
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

impl<E, C, In, Out, Err> AsyncOperation for FnOperation<E, C, (In, Out, Err)>
where
    E: AsyncFn(In) -> Result<Out, Err>,
    C: AsyncFn(In, Out) -> Result<(), Err>,
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    type In = In;
    type Out = Out;
    type Err = Err;

    async fn execute(&self, input: In) -> Result<Out, Err> {
        (self.execute)(input).await
    }

    async fn compensate(&self, input: In, result: Out) -> Result<(), Err> {
        (self.compensate)(input, result).await
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

/// As [`operation`] with a name, for the code that `golem_operation` generates.
#[doc(hidden)]
pub fn named_operation<In, Out, Err>(
    name: impl Into<Rc<str>>,
    execute: impl Fn(In) -> Result<Out, Err> + 'static,
    compensate: impl Fn(In, Out) -> Result<(), Err> + 'static,
) -> impl Operation<In = In, Out = Out, Err = Err>
where
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    FnOperation::<_, _, (In, Out, Err)>::new(name, execute, compensate)
}

/// As [`operation_async`] with a name, for the code that `golem_operation` generates.
#[doc(hidden)]
pub fn named_operation_async<In, Out, Err>(
    name: impl Into<Rc<str>>,
    execute: impl AsyncFn(In) -> Result<Out, Err> + 'static,
    compensate: impl AsyncFn(In, Out) -> Result<(), Err> + 'static,
) -> impl AsyncOperation<In = In, Out = Out, Err = Err>
where
    In: Clone + 'static,
    Out: Clone + 'static,
    Err: Clone + 'static,
{
    FnOperation::<_, _, (In, Out, Err)>::new(name, execute, compensate)
}
