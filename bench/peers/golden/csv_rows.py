"""Writes test/golden/csv/cases.json: small CSV files, and the rows that Hugging Face datasets (4.x, pandas) reads from them.

    python bench/peers/golden/csv_rows.py test/golden/csv/cases.json

It needs the package datasets.
"""

import json
import os
import sys
import tempfile

import datasets
datasets.disable_progress_bars()
tables = {
 "types": 'n,f,b,t,q\n1,1.5,True,x,"a, b"\n-2,.25,False, y ,"say ""hi"""\n3,1e-3,TRUE,,"two\nlines"\n',
 "gaps": 'a,b,c\nx,1.5,NA\n,2.5,None\nnull,,z\n',
 "quoted": 'label,text\n"0","5"\n"1","6"\n',
 "mixed": 'a,b\n1,x\ntwo,7\n',
 "empty line": 'a,b\n1,x\n\n2,y\n',
 "bom": '\ufeffa,b\n1,x\n',
 "crlf": 'a,b\r\n1,x\r\n2,"y\r\nz"\r\n',
 "short": 'a,b\n1\n2,y\n',
 "all empty": 'a,b\n1,\n2,\n',
}
out=[]
for name,text in tables.items():
    with tempfile.TemporaryDirectory() as d:
        p=os.path.join(d,'t.csv'); open(p,'w',newline='').write(text)
        ds=datasets.load_dataset('csv',data_files={'train':p},cache_dir=d)['train']
        out.append({"name":name,"text":text,"rows":[dict(r) for r in ds]})
json.dump({"cases":out},open(sys.argv[1],'w'),ensure_ascii=False,indent=1); open(sys.argv[1],'a').write('\n')
