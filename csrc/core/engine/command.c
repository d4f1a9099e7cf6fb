/* command.c: making and freeing commands. */
#include "engine/command.h"

#include <stdlib.h>

static void free_command(fl_item *item) {
  fl_command *command = (fl_command *)(void *)item;
  if (command->client) fl_client_release(command->client);
  if (command->mailbox) fl_mailbox_release(command->mailbox);
  free(command);
}

fl_command *fl_command_new(fl_item_type type, uint64_t ticket, fl_client *client,
                           fl_mailbox *mailbox) {
  fl_command *command = calloc(1, sizeof *command);
  if (command == NULL) return NULL;
  command->item.type = type;
  command->item.free = free_command;
  command->item.ticket = ticket;
  command->client = client ? fl_client_retain(client) : NULL;
  command->mailbox = mailbox ? fl_mailbox_retain(mailbox) : NULL;
  return command;
}
