// Takes the money and sends the mail, as shop-checkout does in Rust.

import { getEnvironment } from "wasi:cli/environment@0.2.0";
import { generateIdempotencyKey } from "golem:api/host@0.2.0";

// What a seat costs, in cents.
const CENTS = 4_000;
const SHOP = "http://127.0.0.1:7171";

function shop() {
  const variables = Object.fromEntries(getEnvironment());
  return variables.SHOP ?? SHOP;
}

function keyText({ highBits, lowBits }) {
  const hex = (bits) => bits.toString(16).padStart(16, "0");
  return `${hex(highBits)}${hex(lowBits)}`;
}

// Sends an order again until there is an answer: under the same key it is one order.
async function order(kind, wish) {
  const key = keyText(generateIdempotencyKey());
  for (;;) {
    try {
      const answer = await fetch(`${shop()}/${kind}`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify(wish),
      });
      const text = await answer.text();
      if (answer.ok) return JSON.parse(text);
      // What is thrown is the error of the result.
      if (answer.status !== 503) throw { payload: `status ${answer.status}: ${text}` };
    } catch (error) {
      if (error.payload !== undefined) throw error;
    }
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

export const checkout = {
  async pay(customer, seats) {
    const cents = CENTS * seats.length;
    const payment = await order("payments", { customer, cents });
    const text = `You have ${seats.join(", ")} for ${cents} cents.`;
    await order("mails", { to: customer, text });
    return BigInt(payment.id);
  },
};
