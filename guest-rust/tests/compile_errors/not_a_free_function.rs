use everlog::golem_operation;

struct Shop;

impl Shop {
    #[golem_operation(compensation = release)]
    fn reserve(&self, item: String) -> Result<u64, String> {
        Ok(item.len() as u64)
    }
}

#[golem_operation(compensation = release)]
struct Reserve;

fn release() -> Result<(), String> {
    Ok(())
}

fn main() {}
