// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "cli/command.h"

const struct command commands[] = {
	{
		.name = "check",
		.run = run_check,
		.usage = "FILE [--no-cuts]",
		.summary = "Checks a configuration file; needs no agent",
		.help = "Reads the file as the agent would, and says which line is wrong. Where an "
			"agent\nanswers, also what the file would change there, and which "
			"connections it would\ncut.\n\n"
			"Options:\n"
			"  --no-cuts  fail if it would cut any\n\n"
			"Example:\n"
			"  beamfence check /etc/beamfence/beamfence.yaml\n",
		.options = (const char *const[]){"--no-cuts", NULL},
		.words_min = 1,
		.words_max = 1,
	},
	{
		.name = "schema",
		.run = run_schema,
		.usage = "",
		.summary = "Prints the JSON schema of the configuration; needs no agent",
		.help = "For editors, which complete keys and mark mistakes, and for pipelines. It "
			"refuses\nno file that \"check\" takes; \"check\" finds more.\n\n"
			"Example:\n"
			"  beamfence schema >beamfence.schema.json\n",
	},
	{
		.name = "status",
		.run = run_status,
		.usage = "[--pin-dir DIR]",
		.summary = "Shows mode, interfaces and problems",
		.help = "An interface with a zone that is not attached is not protected; one in "
			"no\n"
			"zone is left alone. Where no agent answers, what is in force is read from "
			"the\n"
			"pins one left; that takes root.\n\n"
			"Options:\n"
			"  --pin-dir DIR  where the pins are when no agent answers\n"
			"                 (default: /sys/fs/bpf/beamfence)\n\n"
			"Example:\n"
			"  beamfence --json status\n",
		.options = (const char *const[]){"--pin-dir=", NULL},
	},
	{
		.name = "ports",
		.run = run_ports,
		.usage = "",
		.summary = "Lists the protected ports, and where each is known from",
		.help = "Ports that follow each other and differ in nothing else share a line; "
			"with\n"
			"--json each has its own object.\n\n"
			"Example:\n"
			"  beamfence ports\n",
	},
	{
		.name = "peers",
		.run = run_peers,
		.usage = "[list | add CLUSTER PREFIX [--ttl TIME] [--comment TEXT] | "
			 "del CLUSTER PREFIX]",
		.summary = "Lists the peers of the clusters, adds or removes one",
		.help = "Added peers last until their time is over or they are removed, and "
			"outlive the\n"
			"agent; the configuration's own peers cannot be removed here. A warning "
			"says\n"
			"when a change is in force but could not be written to disk.\n\n"
			"Options of add:\n"
			"  --ttl TIME      how long it stays: 30s, 15m, 1h, 7d (default: no end)\n"
			"  --comment TEXT  why, for those who read the list\n\n"
			"Example:\n"
			"  beamfence peers add app 10.0.1.9 --ttl 1h --comment \"new node\"\n",
		.options = (const char *const[]){"--ttl=", "--comment=", NULL},
		.words_max = 3,
	},
	{
		.name = "counters",
		.run = run_counters,
		.usage = "[--all]",
		.summary = "Shows frames and bytes for each interface and reason",
		.help = "Every frame is counted under one reason. In audit mode a verdict of pass\n"
			"stands beside reasons that would drop. With --json all are printed.\n\n"
			"Options:\n"
			"  --all  those that are 0 too\n\n"
			"Example:\n"
			"  beamfence counters | grep drop\n",
		.options = (const char *const[]){"--all", NULL},
	},
	{
		.name = "events",
		.run = run_events,
		.usage = "[--follow] [--last N] [--type KIND] [--interface IFACE] [--since TIME]",
		.summary = "Shows what happens: frames dropped, listeners, reloads, and more",
		.help = "An event for each source and port, at most every ten seconds; those in "
			"between\nare counted. With --json each event is an object on a line of "
			"its own.\n\n"
			"Options:\n"
			"  --follow           keep showing events as they come\n"
			"  --last N           this many earlier ones (default: all, with --follow "
			"10)\n"
			"  --type KIND        only these: drop, listener, node, interface, reload, "
			"trial,\n"
			"                     peer, agent; several with commas\n"
			"  --interface IFACE  only those of an interface, or of all that a glob "
			"fits\n"
			"  --since TIME       only those since 10m ago, or since "
			"2026-11-28T08:00:00Z\n\n"
			"Example:\n"
			"  beamfence events --type drop --interface eth0 --since 1h\n",
		.options = (const char *const[]){"--follow", "--last=", "--type=", "--interface=",
						 "--since=", NULL},
	},
	{
		.name = "capture",
		.run = run_capture,
		.usage = "-w FILE [--count N] [--size BYTES] [--for TIME] [--overwrite]",
		.summary = "Writes the frames that are dropped into a pcapng file",
		.help = "In audit mode: those that would be. The first 256 bytes of each frame, "
			"10,000\nframes a second at most; how many were lost is said at the "
			"end.\n\n"
			"Options:\n"
			"  -w FILE       the file, or - for stdout\n"
			"  --count N     end after so many frames\n"
			"  --size BYTES  end before the file is larger: 500k, 64M, 2G (default: "
			"64M)\n"
			"  --for TIME    end after this time: 30s, 15m, 1h\n"
			"  --overwrite   if the file exists\n\n"
			"Example:\n"
			"  beamfence capture -w - | tcpdump -n -r -\n",
		.options = (const char *const[]){"-w=", "--count=", "--size=", "--for=",
						 "--overwrite", NULL},
	},
	{
		.name = "top",
		.run = run_top,
		.usage = "[--once]",
		.summary = "Shows rates by interface, reason, source and port, live",
		.help = "The sources are those of dropped frames. q quits.\n\n"
			"Options:\n"
			"  --once  print the rates of one second, and end\n\n"
			"Example:\n"
			"  beamfence top\n",
		.options = (const char *const[]){"--once", NULL},
	},
	{
		.name = "metrics",
		.run = run_metrics,
		.usage = "[--textfile PATH]",
		.summary = "Prints the metrics, or writes them for a collector",
		.help = "The page that the endpoint serves, for hosts where no port may be "
			"opened.\n\n"
			"Options:\n"
			"  --textfile PATH  put it there, in one step; readers never see a part\n\n"
			"Example:\n"
			"  beamfence metrics --textfile "
			"/var/lib/prometheus/node-exporter/beamfence.prom\n",
		.options = (const char *const[]){"--textfile=", NULL},
	},
	{
		.name = "explain",
		.run = run_explain,
		.usage = "--in IFACE [--vlan ID] --src ADDR --dst ADDR --dport PORT "
			 "[--sport PORT] [--flags S]",
		.summary = "Tells what the filter would do with a TCP segment, and why",
		.help = "Asks the loaded program itself. Nothing is sent or counted.\n\n"
			"Options:\n"
			"  --in IFACE    interface that it arrives on; eth0.120 is VLAN 120 on "
			"eth0\n"
			"  --vlan ID     VLAN tag, 1 to 4094\n"
			"  --src ADDR    source address, IPv4 or IPv6\n"
			"  --dst ADDR    destination address\n"
			"  --dport PORT  destination port\n"
			"  --sport PORT  source port\n"
			"  --flags S     TCP flags, letters of FSRPAUEC (default: S, a new "
			"connection)\n\n"
			"Example:\n"
			"  beamfence explain --in eth0 --src 192.0.2.7 --dst 192.0.2.1 --dport "
			"4369\n",
		.options = (const char *const[]){"--in=", "--vlan=", "--src=", "--dst=", "--dport=",
						 "--sport=", "--flags=", NULL},
	},
	{
		.name = "reload",
		.run = run_reload,
		.usage = "[--yes]",
		.summary = "Has the agent read its configuration again",
		.help = "All of it takes effect at once or, where it has an error, nothing does. "
			"Says what\nchanged. Where connections that stand on protected ports would "
			"be cut, it names\nthem and changes nothing.\n\n"
			"Options:\n"
			"  --yes  reload anyway\n\n"
			"Example:\n"
			"  beamfence check /etc/beamfence/beamfence.yaml && beamfence reload\n",
		.options = (const char *const[]){"--yes", NULL},
	},
	{
		.name = "try",
		.run = run_try,
		.usage = "FILE [--for TIME]",
		.summary = "Puts a configuration into force that goes back by itself",
		.help = "The agent checks all of FILE, puts it into force and, when the time is "
			"over,\n"
			"goes back to what was in force before, unless \"confirm\" is said. "
			"Nothing is\n"
			"written: an agent that starts reads its own configuration file.\n\n"
			"Options:\n"
			"  --for TIME  how long: 30s, 5m, at most 1d (default: 60s)\n\n"
			"Example:\n"
			"  beamfence try new.yaml --for 60s\n",
		.options = (const char *const[]){"--for=", NULL},
		.words_min = 1,
		.words_max = 1,
	},
	{
		.name = "confirm",
		.run = run_confirm,
		.usage = "",
		.summary = "Keeps the configuration that is on trial in force",
		.help = "Until the agent reloads or starts again: install the file too.\n\n"
			"Example:\n"
			"  beamfence confirm && cp new.yaml /etc/beamfence/beamfence.yaml\n",
	},
	{
		.name = "revert",
		.run = run_revert,
		.usage = "",
		.summary = "Ends a trial now: what was in force before it is so again",
		.help = "\nExample:\n"
			"  beamfence revert\n",
	},
	{
		.name = "detach",
		.run = run_detach,
		.usage = "[--pin-dir DIR]",
		.summary = "Takes every program and pin away, and ends the agent",
		.help = "AFTERWARDS NOTHING IS PROTECTED. Where no agent answers, the pins that "
			"one\n"
			"left are removed.\n\n"
			"Options:\n"
			"  --pin-dir DIR  where the pins are when no agent answers\n"
			"                 (default: /sys/fs/bpf/beamfence)\n\n"
			"Example:\n"
			"  beamfence detach\n",
		.options = (const char *const[]){"--pin-dir=", NULL},
	},
	{
		.name = "help",
		.run = run_help,
		.usage = "[COMMAND]",
		.summary = "Lists the commands, or explains one",
		.help = "\nExample:\n"
			"  beamfence help reload\n",
		.words_max = 1,
	},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}
