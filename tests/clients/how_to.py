"""The steps of Dapr's how-to "Build a stateful service", in its own terms.

Corrected is what fails on Dapr too: bodies are sent as they are and not as a JSON string, the ETag
is a string, one key is used throughout, options are parameters of the query, and success is 204.
DAPR_HTTP_PORT says where the server is.
"""

import json
import os

import requests

store_name = "redis-store"
dapr_state_url = "http://localhost:{}/v1.0/state/{}".format(os.environ["DAPR_HTTP_PORT"], store_name)


def expect(response, status):
    assert response.status_code == status, (response.status_code, response.text)
    return response


# Saving state, strongly consistent.
stateReq = '[{ "key": "k1", "value": "Some Data", "options": { "consistency": "strong" }}]'
expect(requests.post(dapr_state_url, data=stateReq), 204)
# As it stands in the how-to: refused, and the answer says what is wrong.
refused = expect(requests.post(dapr_state_url, json=stateReq), 400)
assert refused.json()["errorCode"] == "ERR_MALFORMED_REQUEST", refused.text
assert "a JSON string that itself holds JSON" in refused.json()["message"], refused.text

# Getting state.
response = expect(requests.get(dapr_state_url + "/k1", params={"consistency": "strong"}), 200)
assert response.json() == "Some Data"
assert response.headers["ETag"]
# Headers are where the how-to has them.
expect(requests.get(dapr_state_url + "/k1", headers={"consistency": "strong"}), 200)

# Deleting state.
expect(requests.delete(dapr_state_url + "/k1", headers={"consistency": "strong"}), 204)
assert expect(requests.get(dapr_state_url + "/k1"), 204).content == b""

# First-write-wins: get an ETag, save with it, and delete with one that is not the present one.
expect(requests.post(dapr_state_url, json=[{"key": "k1", "value": "Some Data"}]), 204)
etag = requests.get(dapr_state_url + "/k1").headers["ETag"]
newState = json.dumps(
    [{"key": "k1", "value": "New Data", "etag": etag, "options": {"concurrency": "first-write"}}]
)
expect(requests.post(dapr_state_url, data=newState), 204)
mismatch = expect(requests.delete(dapr_state_url + "/k1", headers={"If-Match": etag}), 409)
assert mismatch.json()["errorCode"] == "ERR_STATE_DELETE", mismatch.text


# Handling version mismatch failures.
def save_state(data):
    try:
        return requests.post(dapr_state_url, data=data).status_code == 204
    except requests.RequestException:
        return False


def get_state(key):
    return requests.get(dapr_state_url + "/{}".format(key))


tries = 0
success = False
while not success:
    etag = get_state("k1").headers["ETag"]
    if tries == 0:
        # Somebody else comes in between, once.
        expect(requests.post(dapr_state_url, json=[{"key": "k1", "value": "Others"}]), 204)
    tries += 1
    newState = json.dumps(
        [{"key": "k1", "value": "Newest", "etag": etag, "options": {"concurrency": "first-write"}}]
    )
    success = save_state(newState)
assert tries == 2, tries
assert get_state("k1").json() == "Newest"
expect(requests.delete(dapr_state_url + "/k1", headers={"If-Match": get_state("k1").headers["ETag"]}), 204)
print("done")
