"""What `python -m local_elasticsearch` runs."""

import sys

from local_elasticsearch.command import main

sys.exit(main())
