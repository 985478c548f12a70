-- A stored record is a header of 66 bytes, which scripts read and change in place, and two parts
-- which they only carry: the body, and the client's address at the end. Big-endian; times in Unix ms.
--
--   1 layout   2 flags   3 epoch (4)   7 version (8)   15 created (6)   21 seen (6)   27 expires (6)
--   33 secret hash (32)   65 length of the address (2)   67 key of the subject (16, with flag 1)
--
-- Flags: 1 has a subject, 2 the subject's index lies in another slot, 4 has an address.
--
-- While a Cluster moves a slot, its keys lie on two nodes. A script runs only where all keys are that
-- it is given; so each is given the epoch, which every tag with records has, and what it judges by. A
-- script that works on lists is given a key that never exists as well: it waits for the end of the
-- move. The others make no keys, and what they must leave on a list that is elsewhere is passed over
-- later. While record and epoch are on two nodes they are given the record alone, and the epoch after
-- their other arguments; if that has passed meanwhile, so has the record's.
local LAYOUT, HEAD = 1, 66
local base, tag = KEYS[1]:match('^(.*).({..})')
local epoch_key = base .. 'e' .. tag
local epoch
if KEYS[2] then
  epoch = tonumber(redis.call('GET', epoch_key) or 0)
else
  epoch = tonumber(table.remove(ARGV))
end

local function record_key(member)
  return base .. 'r' .. tag .. member
end

-- Whether these first bytes of a value are a record that has not ended with an earlier epoch.
local function alive(head)
  return #head >= HEAD and struct.unpack('>I4', head, 3) == epoch
end

local function has(head, flag)
  return math.floor(head:byte(2) / flag) % 2 == 1
end

-- The name of the list of the subject's sessions, if this slot keeps it.
local function subject_list(head, of)
  if has(head, 1) and not has(head, 2) then
    return base .. 's' .. tag .. of .. ':' .. head:sub(67, 82)
  end
end

local function require_known(head)
  if head:byte(1) ~= LAYOUT then
    error({err = 'NEWER the record was written by a newer release'})
  end
end

-- A call of a key that may lie on another node just now; nothing then.
local function if_here(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then
    return reply
  end
end

-- A write that changes nothing: a server that has become a replica refuses it, and with it the script.
local function require_primary()
  local refused = redis.pcall('PERSIST', epoch_key)
  if type(refused) == 'table' and refused.err and refused.err:find('READONLY', 1, true) then
    error(refused)
  end
end

-- Something for WAIT to wait for, also when there was nothing left to do. These are writes that need
-- no memory: a full server must still be able to end sessions.
local function prove()
  local key = KEYS[2] and epoch_key or KEYS[1]
  local there = redis.call('EXPIRE', key, 31622400)
  if there == 0 and not KEYS[2] then
    error({err = 'TRYAGAIN what is not here can be proved only by the epoch'})
  end
  redis.call('PERSIST', key)
end
