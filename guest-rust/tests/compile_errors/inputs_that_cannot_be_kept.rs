use everlog::golem_operation;

#[golem_operation(compensation = release)]
fn borrows(item: &str) -> Result<u64, String> {
    Ok(item.len() as u64)
}

#[golem_operation(compensation = release)]
fn takes_anything(item: impl ToString) -> Result<u64, String> {
    Ok(item.to_string().len() as u64)
}

#[golem_operation(compensation = release)]
fn is_generic<T: ToString>(item: T) -> Result<u64, String> {
    Ok(item.to_string().len() as u64)
}

fn release() -> Result<(), String> {
    Ok(())
}

fn main() {}
