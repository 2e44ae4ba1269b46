use everlog::{fallible_transaction, golem_operation};

#[golem_operation(compensation = undo)]
fn reserve() -> Result<u64, String> {
    Ok(1)
}

#[golem_operation(compensation = undo)]
fn charge() -> Result<(), String> {
    Ok(())
}

fn undo() -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = fallible_transaction::<_, u32>(|tx| {
        tx.reserve()?;
        Ok(())
    });
    let _ = charge();
}
