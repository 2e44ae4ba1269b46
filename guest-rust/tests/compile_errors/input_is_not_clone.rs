use everlog::golem_operation;

struct Item;

#[golem_operation(compensation = release)]
fn reserve(_item: Item) -> Result<u64, String> {
    Ok(1)
}

fn release() -> Result<(), String> {
    Ok(())
}

fn main() {}
