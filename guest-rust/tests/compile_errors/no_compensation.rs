use everlog::golem_operation;

#[golem_operation]
fn reserve(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

fn main() {}
