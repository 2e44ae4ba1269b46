use everlog::golem_operation;

#[golem_operation(compensate = release)]
fn reserve(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

fn release() -> Result<(), String> {
    Ok(())
}

fn main() {}
