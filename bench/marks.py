"""What stands in a template in the place of what differs; on its own, so that a load generator starts quickly."""

DATE, LEAF = "@DATE@", "@LEAF@"
