-- Gives the lease back, so that another node need not wait for its end. Arguments: prefix, session.
local prefix, session = ARGV[1], ARGV[2]
if redis.call('GET', prefix .. 'fence:store') ~= session then return 0 end
return redis.call('DEL', prefix .. 'lease:store', prefix .. 'writer:' .. session)
