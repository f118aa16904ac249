# For a Makefile: `include fencecheck.mk`, then `make fencecheck`.
# make fencecheck-baseline writes down what is known; from then on only new findings fail.
FENCECHECK ?= fencecheck
FENCECHECK_DESIGNS ?= designs
FENCECHECK_BASELINE ?= fencecheck-known.txt

.PHONY: fencecheck fencecheck-baseline
fencecheck:
	$(FENCECHECK) check $(if $(wildcard $(FENCECHECK_BASELINE)),--baseline $(FENCECHECK_BASELINE)) $(FENCECHECK_DESIGNS)

fencecheck-baseline:
	$(FENCECHECK) check --baseline $(FENCECHECK_BASELINE) --update-baseline $(FENCECHECK_DESIGNS)
