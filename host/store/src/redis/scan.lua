-- Records of a space in order, as they are at one moment: key, value, key, value, …
-- Arguments: prefix, space, smallest bound, largest bound, `forward` or `backward`, limit.
local prefix, space, start, stop, order, limit = unpack(ARGV)
local name, keys = prefix .. 'keys:' .. space, nil
if order == 'forward' then
  keys = redis.call('ZRANGEBYLEX', name, start, stop, 'LIMIT', 0, limit)
else
  keys = redis.call('ZREVRANGEBYLEX', name, stop, start, 'LIMIT', 0, limit)
end
local found = {}
-- Lua cannot pass more than some 8,000 arguments to a call.
for first = 1, #keys, 1000 do
  local last = math.min(first + 999, #keys)
  local values = redis.call('HMGET', prefix .. 'records:' .. space, unpack(keys, first, last))
  for at = first, last do
    found[#found + 1] = keys[at]
    found[#found + 1] = values[at - first + 1]
  end
end
return found
