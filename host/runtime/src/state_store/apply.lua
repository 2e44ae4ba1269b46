-- Writes, if all that it stands on is as it was seen; returns 1 if it was.
-- ARGV: how many checks; for each the place of its key and the version that was seen ('' for none); then for each
-- write the place of its key, and 'D', or 'S', the data, how many milliseconds they stay (0: for ever), and the version
-- of a key that is new.
local function version_of(key)
    local kind = redis.call('TYPE', key).ok
    if kind == 'none' then return '' end
    return kind == 'hash' and redis.call('HGET', key, 'version') or '0'
end
local checks = tonumber(ARGV[1])
for check = 1, checks do
    local key = KEYS[tonumber(ARGV[2 * check])]
    if version_of(key) ~= ARGV[2 * check + 1] then return 0 end
end
local next = 2 * checks + 2
while next <= #ARGV do
    local key = KEYS[tonumber(ARGV[next])]
    if ARGV[next + 1] == 'D' then
        redis.call('DEL', key)
        next = next + 2
    else
        local version = version_of(key)
        if version == '' or version == '0' then
            redis.call('DEL', key)
            redis.call('HSET', key, 'version', ARGV[next + 4])
        else
            redis.call('HINCRBY', key, 'version', 1)
        end
        redis.call('HSET', key, 'data', ARGV[next + 2])
        if ARGV[next + 3] == '0' then
            redis.call('PERSIST', key)
        else
            redis.call('PEXPIRE', key, ARGV[next + 3])
        end
        next = next + 5
    end
end
return 1
