//! A task list: how records, variants, options, results and resources look to a guest.

mod checklist;

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use exports::everlog::todo::tasks::{Guest, Priority, Problem, State, Task};

wit_bindgen::generate!();

struct Todo;

thread_local! {
    /// The task with id `n` is at position `n - 1`.
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

impl Guest for Todo {
    type Checklist = checklist::Checklist;

    fn add(title: String, priority: Option<Priority>) -> Result<Task, Problem> {
        if title.trim().is_empty() {
            return Err(Problem::EmptyTitle);
        }
        TASKS.with_borrow_mut(|tasks| {
            let id = tasks.len() as u32 + 1;
            let priority = priority.unwrap_or(Priority::Normal);
            let task = Task { id, title, priority, state: State::Open };
            tasks.push(task.clone());
            Ok(task)
        })
    }

    fn complete(id: u32) -> Result<Task, Problem> {
        close(id, State::Done(seconds_since_1970()))
    }

    fn give_up(id: u32, reason: String) -> Result<Task, Problem> {
        close(id, State::Dropped(reason))
    }

    fn all(only_open: bool) -> Vec<Task> {
        TASKS.with_borrow(|tasks| {
            tasks.iter().filter(|task| !only_open || is_open(task)).cloned().collect()
        })
    }
}

fn close(id: u32, state: State) -> Result<Task, Problem> {
    TASKS.with_borrow_mut(|tasks| {
        let position = (id as usize).checked_sub(1).ok_or(Problem::UnknownTask(id))?;
        let task = tasks.get_mut(position).ok_or(Problem::UnknownTask(id))?;
        if !is_open(task) {
            return Err(Problem::AlreadyClosed(task.clone()));
        }
        task.state = state;
        Ok(task.clone())
    })
}

fn is_open(task: &Task) -> bool {
    matches!(task.state, State::Open)
}

/// The host records what the clock says, so a replay closes the task at the same second.
fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

export!(Todo);
