// SPDX-License-Identifier: BSD-2-Clause
#include "agent/options.h"

#include <getopt.h>
#include <stdio.h>

#include "agent/runtime.h"
#include "core/config.h"
#include "core/version.h"
#include "kernel/pins.h"

static const char usage[] =
	"Usage: beamfenced [--config FILE] [--pin-dir DIR] [--state-dir DIR] [--net-socket PATH]\n"
	"\n"
	"Keeps EPMD and the Erlang distribution off client-facing interfaces: attaches the "
	"filter,\n"
	"keeps its tables true, answers \"beamfence\" and serves metrics. Runs in the foreground\n"
	"and logs to stderr. SIGHUP reloads; SIGTERM ends the agent and leaves the filter in\n"
	"force (\"beamfence detach\" takes it away).\n"
	"\n"
	"  --config FILE    the configuration (default " CONFIG_DEFAULT ")\n"
	"  --pin-dir DIR    where the filter is pinned (default " PIN_DIR_DEFAULT ")\n"
	"  --state-dir DIR  where added peers and the last good configuration are kept (default\n"
	"                   " STATE_DIR_DEFAULT ")\n"
	"  --net-socket PATH\n"
	"                   leave TCP to beamfence-net, which connects there\n"
	"  --version        print the version\n"
	"  --help           print this\n"
	"\n"
	"Exit status: 0 ended by a signal or by detach, 1 failed, 2 wrong usage, 78 no\n"
	"configuration: the file cannot be used, and there is no last good one.\n";

bool options_read(int argc, char **argv, struct options *options, int *code)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"pin-dir", required_argument, NULL, 'p'},
		{"state-dir", required_argument, NULL, 's'},
		{"net-socket", required_argument, NULL, 'n'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	int option;

	*options = (struct options){CONFIG_DEFAULT, PIN_DIR_DEFAULT, STATE_DIR_DEFAULT, NULL};
	*code = 0;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'p':
			options->pin_dir = optarg;
			break;
		case 's':
			options->state_dir = optarg;
			break;
		case 'n':
			options->net_socket = optarg;
			break;
		case 'V':
			version_print(stdout, "beamfenced");
			return false;
		case 'h':
			fputs(usage, stdout);
			return false;
		default:
			*code = 2;
			return false;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "beamfenced: unexpected argument \"%s\"; try --help\n", argv[optind]);
	*code = 2;
	return false;
}
