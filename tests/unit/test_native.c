// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <string.h>

#include "core/native.h"

#define PAGE 4096

static struct native_facts driver(const char *name)
{
	struct native_facts facts = {
		.program_takes_buffers = true, .mtu = 1500, .max_mtu = 65535, .page_size = PAGE};

	strncpy(facts.driver, name, sizeof(facts.driver) - 1);
	return facts;
}

Test(native, virtio_before_6_3_would_lose_large_frames_whatever_the_mtu_is_now)
{
	struct native_facts facts = driver("virtio_net");

	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
	cr_assert(!native_loses_now(&facts));
	facts.mtu = 9000;
	cr_assert(native_loses_now(&facts));
}

Test(native, virtio_is_sound_where_it_takes_several_buffers_and_the_program_does_too)
{
	struct native_facts facts = driver("virtio_net");

	facts.features_known = facts.takes_buffers = true;
	facts.mtu = 9000;
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	cr_assert(!native_loses_now(&facts));
	facts.program_takes_buffers = false;
	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
	cr_assert(native_loses_now(&facts));
}

Test(native, virtio_is_sound_where_the_host_allows_no_mtu_that_needs_two_buffers)
{
	struct native_facts facts = driver("virtio_net");

	facts.max_mtu = 1500;
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	facts.max_mtu = native_one_buffer_mtu(PAGE);
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	facts.max_mtu++;
	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
	facts.max_mtu = 0; /* not known */
	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
}

Test(native, xen_loses_segmentation_offload_at_any_mtu)
{
	struct native_facts facts = driver("vif");

	facts.max_mtu = 1500;
	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
}

Test(native, vmxnet3_forgets_whatever_it_says)
{
	struct native_facts facts = driver("vmxnet3");

	cr_assert_eq(native_risk(&facts), NATIVE_FORGETS);
	facts.features_known = facts.takes_buffers = true;
	cr_assert_eq(native_risk(&facts), NATIVE_FORGETS);
}

Test(native, devices_of_the_kernel_itself_are_sound_at_any_mtu)
{
	struct native_facts veth = driver("veth"), tun = driver("tun");

	veth.mtu = tun.mtu = 65535;
	tun.features_known = true;
	cr_assert_eq(native_risk(&veth), NATIVE_SOUND);
	cr_assert_eq(native_risk(&tun), NATIVE_SOUND);
}

Test(native, other_drivers_are_trusted_unless_they_say_that_they_cannot_take_what_arrives)
{
	struct native_facts facts = driver("ixgbe");

	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	facts.features_known = true;
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	facts.mtu = 9000;
	cr_assert_eq(native_risk(&facts), NATIVE_LOSES);
	facts.takes_buffers = true;
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
	facts.takes_buffers = false;
	facts.page_size = 65536;
	cr_assert_eq(native_risk(&facts), NATIVE_SOUND);
}
