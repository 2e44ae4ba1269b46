use everlog::golem_operation;

#[golem_operation(compensation = release)]
async fn reserve(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

fn release(_reservation: u64) -> Result<(), String> {
    Ok(())
}

fn main() {}
