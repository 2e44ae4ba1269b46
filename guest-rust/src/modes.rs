//! How the worker's history is kept, for a part of the program.
//!
//! Each mode has a guard that restores what was before when it is dropped, and a function that
//! holds the guard while a closure runs. A panic restores too where panics unwind. A guest's panic
//! usually traps instead: then no destructor runs and none need to, since the host goes on from
//! the history, in which each entry has the mode that held there.

use std::time::Duration;

use crate::host;

/// What is written to the oplog, and what the worker waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersistenceLevel {
    /// Calls are not recorded; they are made again in every replay.
    PersistNothing,
    /// The worker also waits until the result of a remote call is durable before it goes on.
    PersistRemoteSideEffects,
    /// The default: everything that replay needs is recorded, and the worker waits only before
    /// something leaves it.
    Smart,
}

/// How a failed execution is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// How many retries follow the first execution of a position, before the worker has failed.
    pub max_attempts: u32,
    /// The wait before the first retry.
    pub min_delay: Duration,
    /// No wait is longer than this.
    pub max_delay: Duration,
    /// Each wait is the one before times this.
    pub multiplier: f64,
}

/// Returns the persistence level in force.
#[must_use]
pub fn get_oplog_persistence_level() -> PersistenceLevel {
    host::get_oplog_persistence_level()
}

/// Sets the persistence level from here on, see [`use_persistence_level`].
pub fn set_oplog_persistence_level(level: PersistenceLevel) {
    host::set_oplog_persistence_level(level);
}

/// Returns the retry policy in force: the one set last, or else the server's default.
#[must_use]
pub fn get_retry_policy() -> RetryPolicy {
    host::get_retry_policy()
}

/// Sets the retry policy from here on, see [`use_retry_policy`].
pub fn set_retry_policy(policy: RetryPolicy) {
    host::set_retry_policy(policy);
}

/// Tells whether remote calls may be made again, see [`use_idempotence_mode`].
#[must_use]
pub fn get_idempotence_mode() -> bool {
    host::get_idempotence_mode()
}

/// Sets the idempotence mode from here on, see [`use_idempotence_mode`].
pub fn set_idempotence_mode(idempotent: bool) {
    host::set_idempotence_mode(idempotent);
}

/// Restores the persistence level when it is dropped, see [`use_persistence_level`].
#[derive(Debug)]
#[must_use = "dropping the guard restores the persistence level at once"]
pub struct PersistenceLevelGuard {
    before: PersistenceLevel,
}

impl Drop for PersistenceLevelGuard {
    fn drop(&mut self) {
        host::set_oplog_persistence_level(self.before);
    }
}

/// Sets the persistence level until the guard is dropped.
///
/// ```
/// use everlog::{PersistenceLevel, use_persistence_level};
///
/// let _guard = use_persistence_level(PersistenceLevel::PersistRemoteSideEffects);
/// // Here the result of each remote call is durable before the next line runs.
/// ```
pub fn use_persistence_level(level: PersistenceLevel) -> PersistenceLevelGuard {
    let before = host::get_oplog_persistence_level();
    host::set_oplog_persistence_level(level);
    PersistenceLevelGuard { before }
}

/// Runs a closure under a persistence level.
///
/// ```
/// use everlog::{PersistenceLevel, with_persistence_level};
///
/// // Said again each time the worker is loaded into memory, since it is not recorded.
/// with_persistence_level(PersistenceLevel::PersistNothing, || println!("I am here again"));
/// ```
pub fn with_persistence_level<R>(level: PersistenceLevel, f: impl FnOnce() -> R) -> R {
    let _guard = use_persistence_level(level);
    f()
}

/// As [`with_persistence_level`], for an asynchronous closure.
pub async fn with_persistence_level_async<R>(
    level: PersistenceLevel,
    f: impl AsyncFnOnce() -> R,
) -> R {
    let _guard = use_persistence_level(level);
    f().await
}

/// Restores the retry policy when it is dropped, see [`use_retry_policy`].
#[derive(Debug)]
#[must_use = "dropping the guard restores the retry policy at once"]
pub struct RetryPolicyGuard {
    before: RetryPolicy,
}

impl Drop for RetryPolicyGuard {
    fn drop(&mut self) {
        host::set_retry_policy(self.before);
    }
}

/// Sets the retry policy until the guard is dropped. It holds for panics of the guest as well as
/// for errors of the host.
pub fn use_retry_policy(policy: RetryPolicy) -> RetryPolicyGuard {
    let before = host::get_retry_policy();
    host::set_retry_policy(policy);
    RetryPolicyGuard { before }
}

/// Runs a closure under a retry policy.
///
/// ```
/// use std::time::Duration;
/// use everlog::{RetryPolicy, with_retry_policy};
///
/// let patient = RetryPolicy {
///     max_attempts: 20,
///     min_delay: Duration::from_millis(100),
///     max_delay: Duration::from_secs(60),
///     multiplier: 2.0,
/// };
/// let answer = with_retry_policy(patient, || 6 * 7);
/// # assert_eq!(answer, 42);
/// ```
pub fn with_retry_policy<R>(policy: RetryPolicy, f: impl FnOnce() -> R) -> R {
    let _guard = use_retry_policy(policy);
    f()
}

/// As [`with_retry_policy`], for an asynchronous closure.
pub async fn with_retry_policy_async<R>(policy: RetryPolicy, f: impl AsyncFnOnce() -> R) -> R {
    let _guard = use_retry_policy(policy);
    f().await
}

/// Restores the idempotence mode when it is dropped, see [`use_idempotence_mode`].
#[derive(Debug)]
#[must_use = "dropping the guard restores the idempotence mode at once"]
pub struct IdempotenceModeGuard {
    before: bool,
}

impl Drop for IdempotenceModeGuard {
    fn drop(&mut self) {
        host::set_idempotence_mode(self.before);
    }
}

/// Sets the idempotence mode until the guard is dropped.
///
/// True is the default: a remote call whose outcome was lost in a crash is made again, so it
/// happens at least once. False: such a call fails the worker for good, so it happens at most once.
pub fn use_idempotence_mode(idempotent: bool) -> IdempotenceModeGuard {
    let before = host::get_idempotence_mode();
    host::set_idempotence_mode(idempotent);
    IdempotenceModeGuard { before }
}

/// Runs a closure under an idempotence mode.
///
/// ```
/// # fn launch_rocket() {}
/// everlog::with_idempotence_mode(false, || launch_rocket()); // at most once
/// ```
pub fn with_idempotence_mode<R>(idempotent: bool, f: impl FnOnce() -> R) -> R {
    let _guard = use_idempotence_mode(idempotent);
    f()
}

/// As [`with_idempotence_mode`], for an asynchronous closure.
pub async fn with_idempotence_mode_async<R>(idempotent: bool, f: impl AsyncFnOnce() -> R) -> R {
    let _guard = use_idempotence_mode(idempotent);
    f().await
}
