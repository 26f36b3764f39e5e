"""What the live demo, the live benches and the fault suite stand on: real auditd, real containers, real Kafka.

    with Ledger.begin() as ledger, Auditd(ledger) as auditd, Containers(ledger, auid=5001) as web: ...

Rules of this folder
    - Everything that is started or changed is first written to the ledger, with how to undo it; one path undoes it,
      whether the run ends well, by an exception, by ^C, or is swept by the next run after a kill -9.
    - Kept: `.testbed/` of the checkout (Kafka's jars, the image's tar). Everything else is gone when the ledger closes.
    - What was there before us is used and left as it was: a running auditd, its rules, other engines' containers.
    - Whatever takes more than a second says so on standard error. What a user can act on is a `TestbedError`.
"""
