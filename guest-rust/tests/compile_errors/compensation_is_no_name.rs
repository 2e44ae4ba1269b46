use everlog::golem_operation;

#[golem_operation(compensation = |_| Ok(()))]
fn reserve(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

#[golem_operation(compensation = "release")]
fn order(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

fn main() {}
