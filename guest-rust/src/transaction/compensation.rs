//! What `golem_operation` needs to know of the two functions it joins.

/// The types of a `Result`, however it is written; for the code that `golem_operation` generates.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "an operation returns a `Result`, not `{Self}`",
    label = "no `Result`",
    note = "an operation that cannot fail returns `Result<T, E>` with the error of the others"
)]
pub trait IsResult {
    type Ok;
    type Err;
}

impl<T, E> IsResult for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// A function that undoes an operation: it takes nothing, the operation's result, or the result and
/// all inputs. `Form` says which, and follows from the function.
#[diagnostic::on_unimplemented(
    message = "this function cannot compensate the operation",
    label = "does not fit the operation",
    note = "a compensation takes nothing, or the operation's result, or the result and then all \
            inputs of the operation, each with its type",
    note = "it returns `Result<(), {Err}>`, with the error type of the operation"
)]
pub trait Compensation<Form, In, Out, Err> {
    /// Undoes the operation.
    ///
    /// # Errors
    /// If it is still done.
    fn compensate(&self, input: In, result: Out) -> Result<(), Err>;
}

/// As [`Compensation`], for an asynchronous function.
#[diagnostic::on_unimplemented(
    message = "this function cannot compensate the operation",
    label = "does not fit the operation",
    note = "a compensation takes nothing, or the operation's result, or the result and then all \
            inputs of the operation, each with its type",
    note = "it is an `async fn` like the operation and returns `Result<(), {Err}>`, with the error \
            type of the operation"
)]
pub trait AsyncCompensation<Form, In, Out, Err> {
    /// Undoes the operation. An error means that it is still done.
    fn compensate(&self, input: In, result: Out) -> impl Future<Output = Result<(), Err>>;
}

/// The compensation takes nothing.
#[derive(Debug)]
pub enum TakesNothing {}

/// The compensation takes the result.
#[derive(Debug)]
pub enum TakesResult {}

/// The compensation takes the result and the inputs.
#[derive(Debug)]
pub enum TakesAll {}

impl<F, In, Out, Err> Compensation<TakesNothing, In, Out, Err> for F
where
    F: Fn() -> Result<(), Err>,
{
    fn compensate(&self, _input: In, _result: Out) -> Result<(), Err> {
        self()
    }
}

impl<F, In, Out, Err> AsyncCompensation<TakesNothing, In, Out, Err> for F
where
    F: AsyncFn() -> Result<(), Err>,
{
    async fn compensate(&self, _input: In, _result: Out) -> Result<(), Err> {
        self().await
    }
}

impl<F, In, Out, Err> Compensation<TakesResult, In, Out, Err> for F
where
    F: Fn(Out) -> Result<(), Err>,
{
    fn compensate(&self, _input: In, result: Out) -> Result<(), Err> {
        self(result)
    }
}

impl<F, In, Out, Err> AsyncCompensation<TakesResult, In, Out, Err> for F
where
    F: AsyncFn(Out) -> Result<(), Err>,
{
    async fn compensate(&self, _input: In, result: Out) -> Result<(), Err> {
        self(result).await
    }
}

macro_rules! takes_all {
    ($($input:ident),+) => {
        impl<F, $($input,)+ Out, Err> Compensation<TakesAll, ($($input,)+), Out, Err> for F
        where
            F: Fn(Out, $($input),+) -> Result<(), Err>,
        {
            #[allow(non_snake_case, reason = "a variable is called as its type")]
            fn compensate(&self, ($($input,)+): ($($input,)+), result: Out) -> Result<(), Err> {
                self(result, $($input),+)
            }
        }

        impl<F, $($input,)+ Out, Err> AsyncCompensation<TakesAll, ($($input,)+), Out, Err> for F
        where
            F: AsyncFn(Out, $($input),+) -> Result<(), Err>,
        {
            #[allow(non_snake_case, reason = "a variable is called as its type")]
            async fn compensate(
                &self,
                ($($input,)+): ($($input,)+),
                result: Out,
            ) -> Result<(), Err> {
                self(result, $($input),+).await
            }
        }
    };
}

// As many as `golem_operation` allows.
takes_all!(A);
takes_all!(A, B);
takes_all!(A, B, C);
takes_all!(A, B, C, D);
takes_all!(A, B, C, D, E);
takes_all!(A, B, C, D, E, G);
takes_all!(A, B, C, D, E, G, H);
takes_all!(A, B, C, D, E, G, H, I);
takes_all!(A, B, C, D, E, G, H, I, J);
takes_all!(A, B, C, D, E, G, H, I, J, K);
takes_all!(A, B, C, D, E, G, H, I, J, K, L);
takes_all!(A, B, C, D, E, G, H, I, J, K, L, M);
