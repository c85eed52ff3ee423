from openfeature import api

from abx import Flags

print(Flags(api.get_client()).new_navigaton())
