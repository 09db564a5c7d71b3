"""docs/policy.md and docs/policy.zh.md, made from the tables themselves.

What follows from an answer, and what each result code means. After a change of a table run
`python -m worker.alipay.policy_page > docs/policy.md` and `python -m worker.alipay.policy_page zh > docs/policy.zh.md`.
"""
