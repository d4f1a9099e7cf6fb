--- Checkpoints of uploads and of blocks of once, for tests that end a process at each of them.
--
-- A test sets `checkpoints.on`, which is called with the name of each checkpoint as it is reached; nothing else sets
-- it. In the order in which an upload passes them:
--
--   upload.planned      the upload is in the journal, nothing has been sent
--   probe.read          an existing import: one more read of the search for its end is done
--   batch.journaled     a batch is in the journal as sent, no byte of it has been sent
--   batch.sending       the next batch was requested from the worker; the request is sent next
--   batch.answered      the request has ended, with success or not; the journal does not have its outcome
--   batch.acknowledged  the journal holds the batch as applied
--   batch.withdrawn     the journal holds the batch as not applied: provably not sent, or refused
--   batch.divided       a batch that was refused, or only partly applied, is smaller in the journal
--   doubt.settling      a batch is in doubt, and the wait before the next read begins
--   doubt.looked        the list of imports or the rows were read
--   doubt.resolved      the fate of the batch is decided, but not in the journal yet
--   check.append        the first row was read back after the second batch
--   reject.journaled    a bad record is in the journal
--   reject.written      the bad record is in the rejects file
--   check.end           the end of the import was read
--   reject.durable      the rejects file is on the disk, so that the journal may delete its lines
--   upload.done         the journal holds the upload as done
--
-- An upload without a journal passes them, too. A block of `api:once`, and each write inside:
--
--   once.began          the journal holds that the block has begun
--   write.journaled     the journal holds the write as sent, no byte of it has been sent
--   write.answered      the request has ended, with success or not; the journal does not have its outcome
--   write.recorded      the journal holds the outcome
--   once.ended          the function has returned; the journal does not have its result
--   once.done           the journal holds the block as done
--
-- Relies on nothing.

local checkpoints = {}

---@type fun(name: string)?
checkpoints.on = nil

checkpoints.names = {
  "upload.planned", "probe.read", "batch.journaled", "batch.sending", "batch.answered", "batch.acknowledged",
  "batch.withdrawn", "batch.divided", "doubt.settling", "doubt.looked", "doubt.resolved", "check.append",
  "reject.journaled", "reject.written", "check.end", "reject.durable", "upload.done",
  "once.began", "write.journaled", "write.answered", "write.recorded", "once.ended", "once.done",
}

--- Reports that a checkpoint is reached.
function checkpoints.reached(name)
  if checkpoints.on then checkpoints.on(name) end
end

return checkpoints
