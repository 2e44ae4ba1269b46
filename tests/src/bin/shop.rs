//! Runs the shop of the example `payment-saga` until it is interrupted; see the README.

use everlog_tests::shop::Shop;

/// Where the example looks for it.
const PORT: u16 = 7171;

#[tokio::main]
async fn main() {
    let shop = Shop::open(PORT, true).await;
    println!("the shop is open at {}", shop.url());
    std::future::pending::<()>().await;
}
