#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A Hello scale without a scale: a pseudo terminal at /tmp/hello-scale that says 1.234 kg ten times a second.
while sleep 0.1; do printf 'S   1.234 kg\r\n'; done | socat -u - pty,link=/tmp/hello-scale,raw,echo=0
