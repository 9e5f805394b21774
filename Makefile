# `make` alone lists the targets. Stamp files in .venv make second runs start at once; deleting .venv is always safe.

.DEFAULT_GOAL := help
.PHONY: help backups setup serve dev dist test test-ci test-thorough test-nodes test-ceph test-proxies test-tempest check docs docs-pages console-pictures bench bench-requests bench-disks fuzz chaos chaos-nodes chaos-jobs kills differential disks mutants power-cuts clean test-glance test-functional failover-times

# Commands that tests start share compiled bytecode; without it each pays seconds of CPU.
unexport PYTHONDONTWRITEBYTECODE

SETUP := .venv/.stillage-setup
NODES_TESTS := $(patsubst %,tests/e2e/test_%.py,upload upload_broken upload_resuming upload_command download_command \
	ranges_and_conditions resuming leaving_clients early early_answers chunked_bodies crash scrub nodes)
CEPH_TESTS := tests/contract/test_store.py tests/contract/test_store_abilities.py tests/contract/test_store_s3.py \
	tests/contract/test_uploads_in_s3.py tests/contract/test_store_cache.py tests/api/images/test_bucket.py
CEPH_NODES_TESTS := $(patsubst %,tests/e2e/test_%.py,upload_resuming resuming ranges_and_conditions)
# The rest of the tests takes each process ten seconds to import.
THOROUGH_TESTS = $(patsubst %/conftest.py,%,$(shell grep -rlw thorough tests --include 'test_*.py' --include conftest.py))
TOGETHER := -n 4 --dist loadfile --no-loadscope-reorder
DEV := .venv/.stillage-dev
RECIPE := pyproject.toml uv.lock scripts/setup scripts/find-uv scripts/fetch_uv.py

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## make .venv with the command .venv/bin/stillage
	@:

serve: setup ## set up and serve; honours STILLAGE_DATA, STILLAGE_LISTEN, STILLAGE_TLS=0|1, STILLAGE_ADMIN_PASSWORD
	@exec .venv/bin/stillage serve

dev: $(DEV) ## make .venv with the tools for tests and checks as well
	@:

dist: ## build the wheel and the sdist into dist/
	@scripts/dist

test: dev ## set up, system packages included, and run the tests; PYTEST_ARGS="-k name" to choose
	@scripts/system-packages
	@scripts/clients
	@exec .venv/bin/pytest $(TOGETHER) -m "not browser and not thorough and not glance" $(PYTEST_ARGS)

test-ci: dev ## run what `make test` runs and the tests of the console in a browser, as CI does for each change
	@scripts/system-packages
	@scripts/clients
	@exec .venv/bin/pytest $(TOGETHER) -m "not thorough and not glance" $(PYTEST_ARGS)

test-thorough: dev ## run the tests that repeat, kill or simulate at length, which `make test` leaves out
	@scripts/system-packages prometheus
	@scripts/clients
	@exec .venv/bin/pytest -n 4 --dist loadgroup --no-loadscope-reorder -m thorough $(or $(PYTEST_ARGS),$(THOROUGH_TESTS))

test-nodes: dev ## run the tests of uploads, resuming and crashes on two nodes, each request to one at random; NODES_STORE=files|s3
	@scripts/system-packages
	@for store in $(or $(NODES_STORE),files s3); do \
		STILLAGE_NODES=2 STILLAGE_NODES_STORE=$$store .venv/bin/pytest $(NODES_TESTS) \
			-m "not thorough and not one_server" $(PYTEST_ARGS) || exit 1; \
	done

test-ceph: dev ## run the tests of buckets, and uploads and downloads on two nodes, with Ceph's RADOS gateway as the S3 server
	@scripts/system-packages radosgw ceph-mon ceph-osd
	STILLAGE_S3=ceph .venv/bin/pytest $(CEPH_TESTS) -k "s3 or bucket or cache" -m "not thorough" $(PYTEST_ARGS)
	STILLAGE_S3=ceph STILLAGE_NODES=2 STILLAGE_NODES_STORE=s3 .venv/bin/pytest $(CEPH_NODES_TESTS) \
		-m "not thorough and not one_server" $(PYTEST_ARGS)

backups: dev ## back up a node under load 20 times, and look whether what is restored is whole; nine minutes
	STILLAGE_BACKUP_TRIES=10 .venv/bin/pytest $(PYTEST_ARGS) tests/e2e/test_backup.py -k under_load

test-proxies: dev ## send images of 2 GiB through nginx and HAProxy in every way; takes minutes
	@scripts/system-packages
	STILLAGE_PROXIES=1 .venv/bin/pytest $(PYTEST_ARGS) tests/e2e/test_behind_proxies.py

test-glance: dev ## import images from a real Glance with a real Keystone, and adopt it; both are installed first, which takes minutes
	@scripts/system-packages
	@scripts/clients glance
	.venv/bin/pytest -m glance $(PYTEST_ARGS) tests/conformance

test-tempest: dev ## run the image tests of OpenStack's tempest against a real server; TEMPEST_ARGS=MODULE to choose
	@scripts/system-packages
	@scripts/clients tempest
	PYTHONPATH=tests/support .venv/bin/python -m tempest_suite $(TEMPEST_ARGS)

test-functional: dev ## run the functional tests of openstacksdk, openstackclient and glanceclient; FUNCTIONAL_ARGS=PACKAGE
	@scripts/clients functional
	PYTHONPATH=tests/support .venv/bin/python -m functional_suites $(FUNCTIONAL_ARGS)

check: dev docs ## linters, format, types, the import rule and the links of the documentation; types of the console with Node
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	@scripts/console/check

docs: dev ## build the documentation site into site/, and fail at a link that leads nowhere
	PYTHONPATH=scripts .venv/bin/zensical build --strict

docs-pages: dev ## write the pages of docs/ that are made from the code: settings, rules, routes, commands; and the manual page
	@for script in scripts/*_page.py; do .venv/bin/python "$$script" || exit 1; done

console-pictures: dev ## take the pictures of docs/console.md from a running server
	@scripts/system-packages pngquant
	PYTHONPATH=tests/support .venv/bin/python scripts/console_pictures.py

bench: dev ## measure speed and memory against a bare floor in the same run
	.venv/bin/python -m bench $(BENCH_ARGS)
	.venv/bin/python -m bench.starting
	.venv/bin/python -m bench.listing
	.venv/bin/python -m bench.listing --engine postgresql
	.venv/bin/python -m bench.inspecting
	.venv/bin/python -m bench.authentication
	.venv/bin/python -m bench.catching_up
	.venv/bin/python -m bench.parallel
	.venv/bin/python -m bench.uploading
	.venv/bin/python -m bench.jobs
	.venv/bin/python -m bench.jobs --engine postgresql
	.venv/bin/python -m bench.sweeping --images 100000
	.venv/bin/python -m bench.sparse --size 8GiB --data 64MiB
	.venv/bin/python -m bench.s3
	.venv/bin/python -m bench.console
	.venv/bin/python -m bench.streams

bench-requests: dev ## measure small requests against a bare aiohttp; BENCH_ARGS="--engine sqlite --against 1000000"
	@command -v wrk >/dev/null || scripts/system-packages wrk
	.venv/bin/python -m bench.small_requests $(BENCH_ARGS)

bench-disks: dev ## measure conversions against qemu-img, and disks over HTTP; BENCH_ARGS="--data 1GiB"
	@scripts/system-packages
	.venv/bin/python -m bench.disks $(BENCH_ARGS)
	.venv/bin/python -m bench.views $(BENCH_ARGS)
	.venv/bin/python -m bench.importing

fuzz: dev ## fuzz the inspectors, coverage-guided; FUZZ_ARGS="--seconds 600 qcow2" to choose
	@scripts/setup --fuzz
	@exec .venv/bin/python -m fuzz $(FUZZ_ARGS)

chaos: dev ## kill everything, again and again, and look what is left; CHAOS_ARGS="--events 500 --seed 1"
	STILLAGE_CHAOS_EXAMPLES=200 .venv/bin/pytest -q tests/contract/test_any_order.py
	PYTHONPATH=tests/support .venv/bin/python -m chaos $(CHAOS_ARGS)

chaos-nodes: dev ## kill nodes, their database and their S3 server, again and again, and look what is left; CHAOS_ARGS="--events 500"
	PYTHONPATH=tests/support .venv/bin/python -m chaos_nodes $(CHAOS_ARGS)

chaos-jobs: dev ## kill processes that run jobs 200 times on each database, ten minutes each; CHAOS_ARGS="--kills 200 --seed 1"
	PYTHONPATH=tests/support .venv/bin/python -m chaos_jobs $(CHAOS_ARGS)

failover-times: dev ## measure how long clients wait when one of two nodes is killed; two minutes
	PYTHONPATH=tests/support .venv/bin/python -m failover_times

kills: dev ## kill clients and servers in the middle of resumable uploads; KILLS_ARGS="--kills 300 --seed 1"
	PYTHONPATH=tests/support .venv/bin/python -m resuming_chaos $(KILLS_ARGS)

differential: dev ## give 2,000 changed images of each kind to qemu-img and compare what it sees; DIFFERENTIAL_EXAMPLES=2000
	@scripts/system-packages
	STILLAGE_DIFFERENTIAL_EXAMPLES=$(or $(DIFFERENTIAL_EXAMPLES),2000) .venv/bin/pytest -q -m differential tests/oracle/test_differential.py

disks: dev ## make 1,000 random disks into images of every kind and compare what qemu-img sees; DISKS=1000
	@scripts/system-packages
	STILLAGE_DISKS=$(or $(DISKS),1000) .venv/bin/pytest -q \
		tests/unit/formats/test_every_disk.py tests/unit/formats/test_views.py \
		tests/oracle/test_views_oracle.py tests/oracle/test_packing_oracle.py

power-cuts: dev ## let the power fail at every moment of uploads, deletions and sweeps, in many ways; takes ten minutes
	@scripts/system-packages
	STILLAGE_POWER_CUTS=1 .venv/bin/pytest -q -s tests/contract/test_power_cut.py tests/e2e/test_power_cut.py

mutants: dev ## break the code in ways that lose data, one at a time, and see a test fail; MUTANTS_ARGS="-k sync"
	@scripts/system-packages
	@exec .venv/bin/python scripts/mutants.py $(MUTANTS_ARGS)

clean: ## remove everything that the targets above made in this folder
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks .cache dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SETUP): $(RECIPE)
	@scripts/setup
	@touch $@

$(DEV): $(RECIPE)
	@scripts/setup --dev
	@touch $@ $(SETUP)
