/*
 * command.h: commands of a Lua state to the engine: cancel, advance, close. The item types in
 * mailbox.h describe them.
 */
#ifndef FL_COMMAND_H
#define FL_COMMAND_H

#include "engine/client.h"

typedef struct fl_command {
  fl_item item;
  fl_client *client;   /* a reference, or NULL */
  fl_mailbox *mailbox; /* a reference, or NULL */
} fl_command;

/* NULL without memory. Retains the client and the mailbox. */
fl_command *fl_command_new(fl_item_type type, uint64_t ticket, fl_client *client,
                           fl_mailbox *mailbox);

#endif
