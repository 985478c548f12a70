-- KEYS: the salt. ARGV: what it becomes if there is none; 'make', 'prove' or 'mark'.
-- Returns it, with one more byte when it has been marked as known to the replicas.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
if ARGV[2] == 'prove' then
  redis.call('EXPIRE', KEYS[1], 31622400)
  redis.call('PERSIST', KEYS[1]) -- two writes for WAIT to wait for
elseif ARGV[2] == 'mark' and redis.call('STRLEN', KEYS[1]) == 32 then
  redis.call('APPEND', KEYS[1], '!')
end
return redis.call('GET', KEYS[1])
