#!/usr/bin/perl
# raw_server.pl LOG REPLY...: prints "PORT PID", then answers one request after another with the next REPLY and
# appends each request to LOG, a line of hexadecimal digits. spec/support/raw_server.lua starts it.
#
# A REPLY is "x" and hexadecimal digits, or "@" and a file that holds that; a "." behind them keeps the connection for
# the next request, a "+" makes the server silent after it. A "!" resets the connection once the file LOG.idle is there,
# a "?" sends the reply again then; both log an empty line. It ends with the last reply, or after two minutes. Relies on
# perl's own modules alone.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);

my ($log, @replies) = @ARGV;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 8, ReuseAddr => 1) or die "$!";
$| = 1;
$SIG{PIPE} = "IGNORE";
alarm 120;
print $server->sockport, " $$\n";
open STDOUT, ">", "/dev/null";

sub read_request {
  my $socket = shift;
  my $text = "";
  while ($text !~ /\r\n\r\n/) {
    return unless sysread $socket, $text, 65536, length $text;
  }
  my ($head, $body) = $text =~ /^(.*?\r\n\r\n)(.*)$/s;
  my $length = $head =~ /^content-length: *(\d+)/im ? $1 : 0;
  while (length $body < $length) {
    return unless sysread $socket, $body, 65536, length $body;
  }
  open my $file, ">>", $log or die "$!";
  print $file unpack("H*", $head . $body), "\n";
  close $file;
  return 1;
}

sub note_idle {
  open my $file, ">>", $log or die "$!";
  print $file "\n";
  close $file;
}

my ($socket, @kept);
while (@replies) {
  $socket = $server->accept unless $socket;
  if (!read_request($socket)) { close $socket; undef $socket; next; }
  my $reply = shift(@replies);
  if ($reply =~ /^@(.*)$/) {
    open my $file, "<", $1 or die "$!";
    $reply = <$file>;
  }
  my ($bytes, $mark) = $reply =~ /^x([0-9a-f]*)([.+!?]?)$/ or die "not a reply";
  syswrite $socket, pack("H*", $bytes);
  sleep 120 if $mark eq "+";
  if ($mark eq "!" or $mark eq "?") {
    select undef, undef, undef, 0.01 until -e "$log.idle";
    unlink "$log.idle";
    if ($mark eq "!") {
      setsockopt $socket, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0);
      close $socket;
    } else {
      syswrite $socket, pack("H*", $bytes);
      push @kept, $socket;
    }
    undef $socket;
    note_idle();
    next;
  }
  if ($mark ne ".") { close $socket; undef $socket; }
}
