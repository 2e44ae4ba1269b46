//! The world that the guests of these tests change.

use std::cell::RefCell;
use std::rc::Rc;

use everlog::mock;

/// What was done to the world, in order.
#[derive(Clone, Default)]
pub(crate) struct World(Rc<RefCell<Vec<String>>>);

impl World {
    /// Does something, as a call that is recorded.
    pub(crate) fn act(&self, what: impl Into<String>) {
        let what = what.into();
        mock::effect(what.clone(), || self.0.borrow_mut().push(what));
    }

    /// As [`Self::act`], and fails as often as `failures` says.
    pub(crate) fn try_to(&self, what: impl Into<String>, failures: usize) -> Result<(), String> {
        let what = what.into();
        mock::effect(what.clone(), || {
            let mut done = self.0.borrow_mut();
            done.push(what.clone());
            let attempts = done.iter().filter(|done| **done == what).count();
            if attempts <= failures { Err(format!("{what} refused")) } else { Ok(()) }
        })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// The words of a line, to compare with what was seen.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}
