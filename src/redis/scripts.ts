/**
 * What has to happen at once in Redis. KEYS: the value, its meta. Writes that need no condition are transactions
 * (MULTI) instead, because Redis tells a client of its own changes if they come from a script, even with NOLOOP.
 *
 * The last of ARGV is a number of the call, which comes back together with the result: so a reply that belongs to another
 * call, as it happens when a reply before it was damaged, is found out.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** { call:left, milliseconds left (-1: for ever), value, meta }. */
export const READ = script(`
local left = redis.call('PTTL', KEYS[1])
return { ARGV[#ARGV] .. ':' .. left, left, redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) }
`);

/** All below answer { call:result, result }, where the result is 1 or 0. */
const HELPERS = `
local function answer(result)
  return { ARGV[#ARGV] .. ':' .. result, result }
end
local function milliseconds_stale(meta)
  return meta and tonumber(string.match(meta, ':(%d+)$')) or 0
end
local function fresh()
  if redis.call('EXISTS', KEYS[1]) == 0 then return false end
  local stale = milliseconds_stale(redis.call('GET', KEYS[2]))
  if stale == 0 then return true end
  local left = redis.call('PTTL', KEYS[1])
  return left < 0 or left > stale
end
local function newer_than(time, origin)
  local meta = redis.call('GET', KEYS[2])
  if not meta then return false end
  local other_time, other_origin = string.match(meta, '^(%d+):([^:]*):')
  if not other_time then return false end
  other_time = tonumber(other_time)
  time = tonumber(time)
  return other_time > time or (other_time == time and other_origin > origin)
end
local function store(value, left, meta, meta_left, channel, message)
  if left == '' then redis.call('SET', KEYS[1], value) else redis.call('SET', KEYS[1], value, 'PX', left) end
  redis.call('SET', KEYS[2], meta, 'PX', meta_left)
  redis.call('PUBLISH', channel, message)
end
`;

/** 1 if there is a value that is not stale. */
export const HAS = script(`${HELPERS}
return answer(fresh() and 1 or 0)
`);

/** Stores where there is none. ARGV: value, milliseconds ('' for ever), meta, its milliseconds, channel, message. */
export const INSERT = script(`${HELPERS}
if fresh() then return answer(0) end
store(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return answer(1)
`);

/** Stores unless what is there is newer. ARGV as above, then time and origin. */
export const STORE_IF_NEWEST = script(`${HELPERS}
if newer_than(ARGV[7], ARGV[8]) then return answer(0) end
store(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return answer(1)
`);

/** Removes unless what is there is newer. ARGV: meta, its milliseconds, channel, message, time, origin. */
export const REMOVE_IF_NEWEST = script(`${HELPERS}
if newer_than(ARGV[5], ARGV[6]) then return answer(0) end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return answer(1)
`);

export const scripts: readonly Script[] = [READ, HAS, INSERT, STORE_IF_NEWEST, REMOVE_IF_NEWEST];
