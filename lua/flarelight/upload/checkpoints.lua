--- The named steps of an upload, for tests that end a process at each of them.
--
-- `checkpoints.on`, where a test has set it, is called with the name of each step as it is reached; nothing
-- else sets it. In the order in which an upload passes them:
--
--   upload.planned      the upload is in the journal, nothing has been sent
--   probe.read          an import that exists: one more read of the search for its end is done
--   batch.journaled     a batch is in the journal as sent, no byte of it has gone
--   batch.sending       the same moment, after the next batch was asked for; the request goes out next
--   batch.answered      the request has ended, well or not; the journal does not know
--   batch.acknowledged  the journal knows that the batch is applied
--   batch.withdrawn     the journal knows that a batch was not taken: provably not sent, or refused
--   batch.divided       a batch that was refused, or went in by a part, is smaller in the journal
--   doubt.settling      a batch is in doubt, the wait before the next look begins
--   doubt.looked        the list, or the rows, have been read
--   doubt.resolved      what became of it is decided, the journal does not know yet
--   check.append        the first row was read back after the second batch
--   reject.journaled    a bad record is in the journal
--   reject.written      and in the rejects file
--   check.end           the end of the import was read
--   reject.durable      the rejects file is on the disk: the journal may forget what is in it
--   upload.done         the journal knows that the upload is done
--
-- Without a journal the steps are passed, too. Relies on nothing.

local checkpoints = {}

---@type fun(name: string)?
checkpoints.on = nil

checkpoints.names = {
  "upload.planned", "probe.read", "batch.journaled", "batch.sending", "batch.answered", "batch.acknowledged",
  "batch.withdrawn", "batch.divided", "doubt.settling", "doubt.looked", "doubt.resolved", "check.append",
  "reject.journaled", "reject.written", "check.end", "reject.durable", "upload.done",
}

--- A step is reached.
function checkpoints.reached(name)
  if checkpoints.on then checkpoints.on(name) end
end

return checkpoints
