"""Conservation: whatever happens to drivers and workers, no row is lost and none stays doubled.

A state machine makes sequences of what happens to a dataset: runs, nights, workers that write
late, drivers that are killed or stopped at any request to the storage. The real ledger does it, on
a storage with faults; a perfect model sees the same; and the two are compared after every change of
the storage.

`store` is the storage, `actors` who uses it and what becomes of them, `model` what must hold,
`world` puts the real code on it, `machine` has the rules.
"""
