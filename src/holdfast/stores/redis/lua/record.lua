-- A stored record is a header of 66 bytes, which scripts read and change in place, and two parts
-- which they only carry: the body, and the client's address at the end. Big-endian; times in Unix ms.
--
--   1 layout   2 flags   3 epoch (4)   7 version (8)   15 created (6)   21 seen (6)   27 expires (6)
--   33 secret hash (32)   65 length of the address (2)   67 key of the subject (16, with flag 1)
--
-- Flags: 1 has a subject, 2 the subject's index lies in another slot, 4 has an address.
local LAYOUT, HEAD = 1, 66
local base, tag = KEYS[1]:match('^(.*).({..})')
local epoch_key = base .. 'e' .. tag
local epoch = tonumber(redis.call('GET', epoch_key) or 0)

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

-- A write that changes nothing: a server that has become a replica refuses it, and with it the script.
local function require_primary()
  local refused = redis.pcall('PERSIST', epoch_key)
  if type(refused) == 'table' and refused.err and refused.err:find('READONLY', 1, true) then
    error(refused)
  end
end

-- Something for WAIT to wait for, also when there was nothing left to do. A new end of life is a
-- write that needs no memory: a full server must still be able to end sessions.
local function prove()
  local key = base .. 'p' .. tag
  if redis.call('EXPIRE', key, 31622400) == 0 then
    redis.pcall('SET', key, '', 'EX', 31622400)
  end
end
