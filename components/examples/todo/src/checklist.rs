//! The resource of the example: an object that lives in the guest and is called by its handle.

use std::cell::RefCell;

use crate::exports::everlog::todo::tasks::GuestChecklist;

pub struct Checklist {
    name: String,
    items: RefCell<Vec<Item>>,
}

struct Item {
    text: String,
    checked: bool,
}

impl GuestChecklist for Checklist {
    fn new(name: String) -> Self {
        Self { name, items: RefCell::default() }
    }

    fn add(&self, text: String) -> u32 {
        let mut items = self.items.borrow_mut();
        items.push(Item { text, checked: false });
        items.len() as u32
    }

    fn check(&self, text: String) -> bool {
        let mut items = self.items.borrow_mut();
        let Some(item) = items.iter_mut().find(|item| item.text == text && !item.checked) else {
            return false;
        };
        item.checked = true;
        println!("{}: {text} is done", self.name);
        true
    }

    fn unchecked(&self) -> Vec<String> {
        let items = self.items.borrow();
        items.iter().filter(|item| !item.checked).map(|item| item.text.clone()).collect()
    }
}
