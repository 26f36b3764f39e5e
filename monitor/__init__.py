"""The cluster's side: receive, global models, queries, policies, alerts."""
