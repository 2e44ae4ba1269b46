-- Records of an oplog from an index on, up to a sum of bytes but at least one: id, bytes, id, …
-- Arguments: the oplog's key, index, limit in bytes.
local log, from, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found, bytes, page = {}, 0, nil
repeat
  page = redis.call('XRANGE', log, from, '+', 'COUNT', 16)
  for _, record in ipairs(page) do
    local payload = record[2][2]
    if #found > 0 and bytes + #payload > limit then return found end
    bytes = bytes + #payload
    found[#found + 1] = record[1]
    found[#found + 1] = payload
    from = '(' .. record[1]
  end
until #page < 16
return found
