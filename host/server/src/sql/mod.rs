//! SQL over what the server knows: SQLite as the engine, with tables that read the store when they are asked.
//!
//! SQLite keeps nothing: each query has a database of its own, in memory and empty, whose tables are functions of the
//! store. It runs on a thread of its own, since it cannot wait asynchronously, and within limits.

mod limits;
mod rows;
mod source;
mod table;
mod value;

use std::sync::Arc;

use everlog_runtime::{Runtime, clock};
use rusqlite::Connection;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

pub(crate) use limits::MAX_STATEMENT_BYTES;
use limits::{Clock, MAX_AT_ONCE, MAX_BYTES, MAX_ROWS, QUERY_TIME, TURN_TIME};
use source::Source;
use table::Kind;

/// What a query brings.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Json>>,
}

/// Why a query brings nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    /// It is not valid, or does what may not be done here.
    #[error("{0}")]
    Invalid(String),
    /// It would be more than one query may be.
    #[error("{0}")]
    TooMuch(String),
    /// As many queries as may be are under way.
    #[error("{MAX_AT_ONCE} queries are under way, as many as may be; try again later")]
    Busy,
    /// The store cannot be read.
    #[error("{0}")]
    Failed(String),
}

/// Answers queries.
#[derive(Debug)]
pub(crate) struct Sql {
    turns: Arc<Semaphore>,
}

impl Default for Sql {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }
}

impl Sql {
    /// Answers one query.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub(crate) async fn query(
        &self,
        runtime: Arc<Runtime>,
        statement: String,
        parameters: Vec<Json>,
    ) -> Result<Found, SqlError> {
        let turn = tokio::select! {
            turn = Arc::clone(&self.turns).acquire_owned() => turn.map_err(|_| SqlError::Busy)?,
            () = clock::pause(TURN_TIME) => return Err(SqlError::Busy),
        };
        let handle = tokio::runtime::Handle::current();
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let clock = Clock::starting_now(QUERY_TIME);
            let source = Arc::new(Source::new(runtime, handle, clock));
            run(&source, &statement, &parameters)
        });
        running.await.unwrap_or_else(|error| Err(SqlError::Failed(error.to_string())))
    }
}

fn run(source: &Arc<Source>, statement: &str, parameters: &[Json]) -> Result<Found, SqlError> {
    if statement.len() > MAX_STATEMENT_BYTES {
        let found = statement.len();
        return Err(SqlError::TooMuch(format!(
            "a statement has at most {MAX_STATEMENT_BYTES} bytes, this one has {found}"
        )));
    }
    let connection = open(source).map_err(|error| SqlError::Failed(error.to_string()))?;
    read(source, &connection, statement, parameters).map_err(|error| match error {
        Stopped::Sql(error) => explained(source, &error),
        Stopped::Error(error) => error,
    })
}

fn open(source: &Arc<Source>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    limits::bound(&connection)?;
    for kind in Kind::ALL {
        table::register(&connection, kind, source)?;
    }
    limits::guard(&mut connection, source)?;
    Ok(connection)
}

enum Stopped {
    Sql(rusqlite::Error),
    Error(SqlError),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn read(
    source: &Source,
    connection: &Connection,
    statement: &str,
    parameters: &[Json],
) -> Result<Found, Stopped> {
    let mut prepared = connection.prepare(statement)?;
    if prepared.column_count() == 0 {
        let told = "this is no query; a statement begins with SELECT, VALUES or WITH";
        return Err(Stopped::Error(SqlError::Invalid(told.to_owned())));
    }
    let columns = prepared.column_names().map(str::to_owned).collect::<Vec<_>>();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let parameters = parameters.iter().map(value::of_json);
    let mut found = prepared.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = found.next()? {
        if source.clock.is_over() {
            return Err(Stopped::Error(out_of_time()));
        }
        if rows.len() == MAX_ROWS {
            return Err(Stopped::Error(SqlError::TooMuch(format!(
                "a query brings at most {MAX_ROWS} rows; ask for fewer with LIMIT"
            ))));
        }
        let mut values = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            let value = row.get_ref(column)?;
            bytes += value::size(value);
            values.push(value::to_json(value));
        }
        if bytes > MAX_BYTES {
            return Err(Stopped::Error(SqlError::TooMuch(format!(
                "a query brings at most {MAX_BYTES} bytes; ask for fewer columns or rows"
            ))));
        }
        rows.push(values);
    }
    Ok(Found { columns, rows })
}

/// What SQLite says, as far as the caller can act on it.
fn explained(source: &Source, error: &rusqlite::Error) -> SqlError {
    use rusqlite::ErrorCode;
    if let Some(failure) = source.failure() {
        return failure;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => out_of_time(),
        Some(ErrorCode::OutOfMemory) => SqlError::TooMuch(format!(
            "queries have {} bytes of memory together; sort or group fewer rows",
            limits::MAX_MEMORY_BYTES
        )),
        Some(ErrorCode::TooBig) => SqlError::TooMuch(error.to_string()),
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            SqlError::Invalid("queries only read, and only from the tables there are".to_owned())
        }
        _ => SqlError::Invalid(error.to_string()),
    }
}

fn out_of_time() -> SqlError {
    let seconds = QUERY_TIME.as_secs();
    SqlError::TooMuch(format!(
        "a query takes at most {seconds} s; name a component and a worker, so that only that is read"
    ))
}
