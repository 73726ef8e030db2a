"""The admin's side: a site's keys, roster and journal, its agent, and what a person with a laptop does with them."""
