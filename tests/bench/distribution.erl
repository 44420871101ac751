%% SPDX-License-Identifier: BSD-2-Clause
%% A distribution connection, measured from the other node: distribution:measure(Node) prints
%% messages a second, bytes a second, and of request and reply the median and 99 % latency in ns.
-module(distribution).
-export([start/0, measure/1, loop/0]).

-define(ASKED, 4000).
-define(MESSAGES, 50000).
-define(CHUNKS, 1500).
-define(CHUNK, 65536).

start() ->
    register(?MODULE, spawn(fun loop/0)).

loop() ->
    receive
        {ask, From, What} -> From ! {answer, What}, loop();
        _ -> loop()
    end.

measure(Node) ->
    pong = net_adm:ping(Node),
    To = {?MODULE, Node},
    [ask(To) || _ <- lists:seq(1, 500)],
    Latencies = lists:sort([ask(To) || _ <- lists:seq(1, ?ASKED)]),
    Messages = rate(?MESSAGES, fun() -> To ! {say, 42} end, To),
    Chunk = binary:copy(<<0>>, ?CHUNK),
    Chunks = rate(?CHUNKS, fun() -> To ! Chunk end, To),
    io:format("~b ~b ~b ~b~n", [round(Messages), round(Chunks * ?CHUNK),
                                lists:nth(?ASKED div 2, Latencies),
                                lists:nth(?ASKED - ?ASKED div 100, Latencies)]),
    halt().

ask(To) ->
    Start = erlang:monotonic_time(),
    To ! {ask, self(), 42},
    receive {answer, _} -> ok end,
    erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond).

%% How often a second; the answer to the last says that all of it has come.
rate(Count, Send, To) ->
    Start = erlang:monotonic_time(),
    [Send() || _ <- lists:seq(1, Count)],
    ask(To),
    Took = erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond),
    Count * 1.0e9 / Took.
