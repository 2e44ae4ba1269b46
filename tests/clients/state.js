// The official client, as its users write it; DAPR_HTTP_PORT says where the server is.

"use strict";

const assert = require("node:assert/strict");
const { DaprClient } = require("@dapr/dapr");

const STORE = "statestore";

async function main() {
  const client = new DaprClient();
  await client.start();

  const saved = await client.state.save(STORE, [
    { key: "text", value: "hello world" },
    { key: "number", value: 42 },
    { key: "object", value: { name: "mary", tags: ["a", null], price: 1.5 } },
    { key: "options", value: "strong", options: { concurrency: 1, consistency: 2 } },
    { key: "ends", value: "soon", metadata: { ttlInSeconds: "3600" } },
  ]);
  assert.equal(saved.error, undefined);
  assert.equal(await client.state.get(STORE, "text"), "hello world");
  assert.equal(await client.state.get(STORE, "number"), 42);
  assert.deepEqual(await client.state.get(STORE, "object"), {
    name: "mary", tags: ["a", null], price: 1.5,
  });
  assert.equal(await client.state.get(STORE, "absent"), "");

  const bulk = await client.state.getBulk(STORE, ["text", "absent", "number"]);
  assert.deepEqual(bulk.map((entry) => entry.key), ["text", "absent", "number"]);
  assert.deepEqual(bulk.map((entry) => entry.data), ["hello world", undefined, 42]);
  const etag = bulk[0].etag;
  assert.ok(etag);

  // With the ETag that is there, and then with one that is not any more.
  const current = await client.state.save(STORE, [{ key: "text", value: "new", etag }]);
  assert.equal(current.error, undefined);
  const late = await client.state.save(STORE, [{ key: "text", value: "late", etag }]);
  assert.match(late.error.message, /possible etag mismatch/);
  assert.equal(JSON.parse(late.error.message).status, 409);
  assert.equal(await client.state.get(STORE, "text"), "new");

  await client.state.transaction(STORE, [
    { operation: "upsert", request: { key: "a", value: "1" } },
    { operation: "upsert", request: { key: "b", value: { n: 2 } } },
    { operation: "delete", request: { key: "number" } },
  ]);
  assert.equal(await client.state.get(STORE, "a"), "1");
  assert.deepEqual(await client.state.get(STORE, "b"), { n: 2 });
  assert.equal(await client.state.get(STORE, "number"), "");
  await assert.rejects(
    client.state.transaction(STORE, [
      { operation: "upsert", request: { key: "a", value: "2" } },
      { operation: "upsert", request: { key: "b", value: "2", etag } },
    ]),
    /ERR_STATE_TRANSACTION/,
  );
  assert.equal(await client.state.get(STORE, "a"), "1");

  const found = await client.state.query(STORE, {
    filter: { EQ: { name: "mary" } },
    sort: [{ key: "price", order: "DESC" }],
    page: { limit: 10 },
  });
  assert.deepEqual(found.results.map((hit) => hit.key), ["object"]);

  const wrong = await client.state.delete(STORE, "text", { etag: "9999999" });
  assert.match(wrong.error.message, /ERR_STATE_DELETE/);
  for (const key of ["text", "object", "a", "b"]) {
    const deleted = await client.state.delete(STORE, key);
    assert.equal(deleted.error, undefined);
    assert.equal(await client.state.get(STORE, key), "");
  }

  const metadata = await client.metadata.get();
  assert.equal(metadata.id, "everlog");
  assert.ok(await client.metadata.set("mood", "good"));
  assert.ok(await client.health.isHealthy());
  await client.stop();
  console.log("done");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
