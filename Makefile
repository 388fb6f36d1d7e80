# The commands a newcomer needs. Each installs what is missing (as root, else it says what to
# install) and can be repeated.

BUILD ?= build
MESON_OPTIONS ?=
SECONDS_EACH ?= 60

.PHONY: all demo demo-gpu check check-kernels check-qemu bench bench-qemu fuzz clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD) gangway

$(BUILD)/build.ninja:
	@provision/packages build
	meson setup --buildtype=release $(MESON_OPTIONS) $(BUILD)

## A Linux guest works on a simulated NVMe disk that is passed through to it.
demo:
	@provision/packages demo
	@$(MAKE) --no-print-directory all
	@tests/demo $(BUILD)

## What a Linux guest draws on a GPU is seen on the host, without a copy; leaves gpu.png.
demo-gpu:
	@provision/packages demo
	@$(MAKE) --no-print-directory all
	@tests/demo-gpu $(BUILD)

## Everything that a change must pass.
check:
	@provision/packages test
	@tests/check

## What Debian's kernels cannot show, on small kernels that are built here (takes long).
check-kernels:
	@provision/packages kernels
	@tests/check kernels

## gangway inside QEMU, built from Debian's oldest and newest source of it, or from the folder SOURCE
## (takes long).
check-qemu:
	@provision/packages qemu
	@tests/qemu/check $(SOURCE)

## gangway inside QEMU beside gangway over vfio-user, in the newest, or in SOURCE: 10.1 or newer.
bench-qemu:
	@provision/packages qemu
	@built=$$(tests/qemu/build "$(or $(SOURCE),newest)") && ninja -C "$$built/gangway" bench/bench-trap && \
		bench/inside "$$built"

## gangway beside its peers, one table.
bench:
	@provision/packages bench
	@$(MAKE) --no-print-directory all
	ninja -C $(BUILD) bench
	@bench/run $(BUILD)

## Fuzz every target for SECONDS_EACH seconds (default 60).
fuzz:
	@provision/packages fuzz
	@tests/fuzz/run $(SECONDS_EACH)

clean:
	rm -rf build build-*
